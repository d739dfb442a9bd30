//go:build !unix

package main

import "io"

// terminalWidth: tables do not depend on the terminal here.
func terminalWidth(io.Writer) int { return 0 }
