package web

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// certificate is read anew when its files have changed, so that a renewed one is
// used without a restart. One that cannot be read leaves the old one in use.
type certificate struct {
	cert, key string
	log       logrus.FieldLogger

	mu     sync.Mutex
	now    *tls.Certificate
	mark   string // of the files that now was read from, or that could not be read
	looked time.Time
}

// lookEvery is how often the files are looked at, when somebody connects.
const lookEvery = time.Second

func newCertificate(cert, key string, log logrus.FieldLogger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, log: log, mark: mark(cert, key)}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("web: tls_cert and tls_key: %w", err)
	}
	c.now = &pair
	return c, nil
}

// mark tells one state of the files from another.
func mark(paths ...string) (m string) {
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil {
			m += fmt.Sprintf("%d %d ", info.ModTime().UnixNano(), info.Size())
		} else {
			m += "- "
		}
	}
	return m
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookEvery {
		c.looked = now
		if m := mark(c.cert, c.key); m != c.mark {
			c.mark = m
			if pair, err := tls.LoadX509KeyPair(c.cert, c.key); err != nil {
				c.log.WithError(err).Error("the new tls_cert and tls_key cannot be used: going on with the old ones")
			} else {
				c.now = &pair
				c.log.Info("the new tls_cert and tls_key are in use")
			}
		}
	}
	return c.now, nil
}
