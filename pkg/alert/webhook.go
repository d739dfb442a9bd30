package alert

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers of a webhook. docs/alerts.md shows how to verify them.
const (
	HeaderTimestamp = "Byeguard-Timestamp"
	HeaderSignature = "Byeguard-Signature"
	HeaderKey       = "Idempotency-Key"
)

func (r *Route) sendWebhook(ctx context.Context, m *Message, now time.Time) error {
	s := r.signing()
	key, err := s.read()
	if err != nil {
		return err
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	at := strconv.FormatInt(now.Unix(), 10)
	h := http.Header{}
	h.Set(HeaderTimestamp, at)
	h.Set(HeaderSignature, "v1="+Sign(key, at, body))
	h.Set(HeaderKey, m.ID)
	return r.post(ctx, "", body, h)
}

// Sign returns the signature of a webhook: HMAC-SHA-256 in hex over the
// timestamp, a dot and the body.
func Sign(key, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// ErrSignature says that a webhook is not byeguard's, or too old.
var ErrSignature = errors.New("signature does not fit")

// Verify checks a webhook's headers and body as its receiver should: the
// signature, and that it is not older than tolerance.
func Verify(key string, h http.Header, body []byte, now time.Time, tolerance time.Duration) error {
	at := h.Get(HeaderTimestamp)
	sec, err := strconv.ParseInt(at, 10, 64)
	if err != nil || now.Sub(time.Unix(sec, 0)).Abs() > tolerance {
		return ErrSignature
	}
	for part := range strings.SplitSeq(h.Get(HeaderSignature), ",") {
		sig, ok := strings.CutPrefix(strings.TrimSpace(part), "v1=")
		if ok && hmac.Equal([]byte(sig), []byte(Sign(key, at, body))) {
			return nil
		}
	}
	return ErrSignature
}
