package alert

import (
	"context"
	"time"
)

// Outbox keeps what is to be sent. Methods may be called by several goroutines.
type Outbox interface {
	// Take hands the oldest news to plan and files what it returns, all in one
	// transaction: news are lost or told twice by no error. It returns how many
	// it took. plan is called once or not at all.
	Take(ctx context.Context, plan func([]News) []Placement) (int, error)
	// Claim returns messages of a route that are due, and keeps others from
	// them for so long. One that was claimed and not ended is claimed again
	// after that time, or by the next run of the same byeguard.
	Claim(ctx context.Context, route string, now time.Time, limit int, hold time.Duration) ([]Claim, error)
	// Compose hands the incidents of a message to add and keeps what done
	// returns: the message is the same from then on. nil drops it.
	Compose(ctx context.Context, id string, add func(*Incident), done func() (*Message, error)) error
	// Sent ends a message that was taken by its receiver.
	Sent(ctx context.Context, id string) error
	// Failed notes a try that failed. The message is due again at next; dead
	// says that this would be too late, and that nobody tries it any more.
	Failed(ctx context.Context, id, why string, next time.Time) (dead bool, err error)
	// Sweep ends messages that nobody sends.
	Sweep(ctx context.Context) error
}

// Claim is a message that is to be sent now.
type Claim struct {
	ID      string
	Tries   int    // this one included
	Message []byte // JSON; nil: it is to be composed
}

// GiveUpAfter is how long a message is tried.
const GiveUpAfter = 24 * time.Hour
