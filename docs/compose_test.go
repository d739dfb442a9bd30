package docs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// compose is what this test knows of the Compose file format. Decoding is
// strict, so a key that is misspelt, or new here, is found.
type compose struct {
	Name     string
	Services map[string]service
	Configs  map[string]struct{ Content string }
	Volumes  map[string]any
}

type service struct {
	Image string
	Build *struct {
		Context string
		Args    map[string]string
	}
	Restart     string
	Entrypoint  []string
	Command     []string
	NetworkMode string `yaml:"network_mode"`
	DependsOn   map[string]struct {
		Condition string
		Restart   bool
	} `yaml:"depends_on"`
	Environment map[string]string
	Configs     []struct{ Source, Target string }
	Volumes     []string
	Ports       []string
	ReadOnly    bool `yaml:"read_only"`
	Tmpfs       []string
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	Healthcheck *struct {
		Test              []string
		Interval, Timeout string
		Retries           int
		StartPeriod       string `yaml:"start_period"`
	}
}

func readCompose(t *testing.T) compose {
	t.Helper()
	file, err := os.Open("../docker-compose.yml")
	require.NoError(t, err)
	defer file.Close()
	var c compose
	strict := yaml.NewDecoder(file)
	strict.KnownFields(true)
	require.NoError(t, strict.Decode(&c))
	return c
}

func TestComposeIsWired(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	require.NotEmpty(t, c.Name)
	for _, name := range []string{"kamailio", "postgres", "byeguard"} {
		require.Contains(t, c.Services, name)
	}
	for name, s := range c.Services {
		require.NotEmpty(t, s.Image, "%s has an image", name)
		require.NotNil(t, s.Healthcheck, "%s has a health check", name)
		require.Contains(t, []string{"CMD", "CMD-SHELL"}, s.Healthcheck.Test[0], name)
		require.Positive(t, s.Healthcheck.Retries, name)
		for other, need := range s.DependsOn {
			require.Contains(t, c.Services, other, "%s depends on it", name)
			require.Equal(t, "service_healthy", need.Condition, "%s waits for %s", name, other)
		}
		if other, ok := strings.CutPrefix(s.NetworkMode, "service:"); ok {
			require.Contains(t, c.Services, other, "%s shares its network", name)
			require.Empty(t, s.Ports, "%s publishes through %s", name, other)
		}
		for _, use := range s.Configs {
			require.Contains(t, c.Configs, use.Source, "%s uses it", name)
		}
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if strings.HasPrefix(source, ".") {
				require.DirExists(t, filepath.Join("..", source), name)
			} else {
				require.Contains(t, c.Volumes, source, "%s uses it", name)
			}
		}
	}
	require.FileExists(t, filepath.Join("..", c.Services["byeguard"].Build.Context, "Dockerfile"))
}

func TestComposePublishesOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for name, s := range readCompose(t).Services {
		for _, port := range s.Ports {
			require.True(t, strings.HasPrefix(port, "127.0.0.1:"), "%s publishes %s", name, port)
		}
	}
}

func TestComposeHoldsNoSecret(t *testing.T) {
	t.Parallel()
	for name, s := range readCompose(t).Services {
		for key, value := range s.Environment {
			if strings.Contains(key, "PASSWORD") || strings.Contains(key, "SECRET") {
				require.True(t, strings.HasPrefix(value, "${"), "%s takes %s from the environment", name, key)
			}
			require.NotRegexp(t, `://[^/@:]+:[^@/]+@`, value, "%s: %s holds a password", name, key)
		}
	}
}

// TestComposeStartsOurProxy ties the file to kamailio-cfg: what it names there
// exists.
func TestComposeStartsOurProxy(t *testing.T) {
	t.Parallel()
	kamailio := readCompose(t).Services["kamailio"]
	cfg, err := os.ReadFile("../kamailio-cfg/kamailio.cfg")
	require.NoError(t, err)
	params, err := os.ReadFile("../kamailio-cfg/byeguard-params.cfg")
	require.NoError(t, err)
	require.Contains(t, kamailio.Volumes, "./kamailio-cfg:/etc/byeguard:ro")
	require.Contains(t, kamailio.Entrypoint, "/etc/byeguard/kamailio.cfg")
	defines := 0
	for i, arg := range kamailio.Entrypoint {
		if arg != "-A" {
			continue
		}
		defines++
		name, _, ok := strings.Cut(kamailio.Entrypoint[i+1], "=")
		require.True(t, ok, "-A %s has a value", name)
		require.Contains(t, string(cfg)+string(params), "#!ifndef "+name, "a switch of kamailio-cfg")
	}
	require.Positive(t, defines)
}
