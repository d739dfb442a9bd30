package alert_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// certificate makes one for 127.0.0.1 that signs itself.
func certificate(t *testing.T) (cert tls.Certificate, caFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		keyFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// mailServer is an SMTP server (RFC 5321) that keeps what it gets.
type mailServer struct {
	addr     string
	starttls bool
	implicit bool
	cert     tls.Certificate
	password string // "" = no AUTH
	refuse   string // what it answers to the end of DATA

	mu    sync.Mutex
	mails []string
	tos   []string
	plain bool // a mail came without TLS
}

func (s *mailServer) start(t *testing.T) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.addr = l.Addr().String()
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if s.implicit {
				c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{s.cert}})
			}
			go s.serve(c)
		}
	}()
	return s
}

func (s *mailServer) serve(c net.Conn) {
	defer func() { c.Close() }()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	tp := textproto.NewConn(c)
	secure, authed := s.implicit, false
	say := func(line string) { _ = tp.PrintfLine("%s", line) }
	say("220 test ESMTP")
	for {
		line, err := tp.ReadLine()
		if err != nil {
			return
		}
		verb, arg, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-test")
			if s.starttls && !secure {
				say("250-STARTTLS")
			}
			if s.password != "" {
				say("250-AUTH PLAIN")
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go on")
			c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{s.cert}})
			tp, secure = textproto.NewConn(c), true
		case "AUTH":
			_, word, _ := strings.Cut(arg, " ")
			text, _ := base64.StdEncoding.DecodeString(word)
			if authed = string(text) == "\x00byeguard\x00"+s.password; !authed {
				say("535 wrong password")
				continue
			}
			say("235 welcome")
		case "MAIL":
			if s.password != "" && !authed {
				say("530 who are you?")
				continue
			}
			say("250 ok")
		case "RCPT":
			s.mu.Lock()
			s.tos = append(s.tos, arg)
			s.mu.Unlock()
			say("250 ok")
		case "DATA":
			say("354 go on")
			text, err := tp.ReadDotBytes()
			if err != nil {
				return
			}
			if s.refuse != "" {
				say(s.refuse)
				continue
			}
			s.mu.Lock()
			s.mails = append(s.mails, string(text))
			s.plain = s.plain || !secure
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}
