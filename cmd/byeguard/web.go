package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/byeguard/byeguard/pkg/web"
)

func newWebCommand() *cobra.Command {
	return group("web", "Make what the configuration has of users and tokens", newWebPassword(), newWebToken())
}

func newWebPassword() *cobra.Command {
	return &cobra.Command{
		Use:   "password",
		Short: "Make the hash of a password, for users of web in the configuration",
		Long: `Read a password from the terminal, or the first line of standard input, and print
its bcrypt hash. Nothing of it is kept.`,
		Example: `  byeguard web password > /etc/byeguard/ada.hash`,
		Args:    words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			password, err := readPassword(cmd.InOrStdin(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			hash, err := web.HashPassword(password)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), hash)
			return nil
		},
	}
}

// readPassword asks twice at a terminal, where nothing is shown.
func readPassword(in io.Reader, ask io.Writer) (string, error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(in, 1024)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	var twice [2]string
	for i, what := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(ask, what)
		text, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(ask)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		twice[i] = string(text)
	}
	if twice[0] != twice[1] {
		return "", errors.New("the two passwords differ: try again")
	}
	return twice[0], nil
}

func newWebToken() *cobra.Command {
	return &cobra.Command{
		Use:   "token",
		Short: "Make a token for a program, and what the configuration has of it",
		Long: `Print a new token, and its SHA-256 sum for tokens of web in the configuration. The
token is shown this once.`,
		Example: `  byeguard web token`,
		Args:    words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			token, sum := web.NewToken()
			fmt.Fprintf(cmd.OutOrStdout(), "token:  %s\nsha256: %s\n", token, sum)
			return nil
		},
	}
}
