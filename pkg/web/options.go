package web

import (
	"errors"
	"io/fs"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"
)

// Options of a Server.
type Options struct {
	Config  Config // valid
	Listen  string // the configured address, which says whether it is for this machine alone
	Backend Backend
	UI      fs.FS        // the page: index.html and assets/; nil = none
	Metrics http.Handler // GET /metrics; nil = none
	Logger  logrus.FieldLogger
	Now     func() time.Time // nil = time.Now

	// FeedEvery is how often the feed looks for changes while somebody listens.
	// Default 150 ms.
	FeedEvery time.Duration
	// FeedQueue is how many messages wait for a slow client. Default 64.
	FeedQueue int
}

// Bounds that keep the server from being in the way of anything else.
const (
	maxConns      = 4096             // connections at a time
	maxHeader     = 16 << 10         // bytes of a request's head
	maxBody       = 16 << 10         // of its body
	maxReads      = 4                // questions to PostgreSQL at a time
	maxScans      = 1                // of them reports and downloads of many rows
	readPatience  = 3 * time.Second  // how long a request waits for its turn
	readTimeout   = 15 * time.Second // how long one may take
	scanTimeout   = 60 * time.Second // a report
	exportTimeout = 15 * time.Minute // a download
	writePatience = 30 * time.Second // of a download: the longest that a client may take nothing
)

func (o *Options) validate() error {
	if o.Backend == nil || o.Logger == nil {
		return errors.New("web: Backend and Logger are required")
	}
	return o.Config.Validate(o.Listen)
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FeedEvery == 0 {
		o.FeedEvery = 150 * time.Millisecond
	}
	if o.FeedQueue == 0 {
		o.FeedQueue = 64
	}
	o.Config = o.Config.withDefaults()
	return o
}
