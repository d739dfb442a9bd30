package guard

import (
	"context"
	"sync"

	"github.com/byeguard/byeguard/pkg/call"
)

// asker puts questions to proxies, a bounded number at a time for each node,
// and posts the answers as events.
type asker struct {
	opts   *Options
	answer func(call.Event)
	nodes  map[string]*questions
}

// questions of one node that wait for their turn.
type questions struct {
	holder Holder
	mu     sync.Mutex
	queue  []call.Question
	signal chan struct{}
}

func newAsker(opts *Options, answer func(call.Event)) *asker {
	a := &asker{opts: opts, answer: answer, nodes: make(map[string]*questions)}
	for name, h := range opts.Holders {
		a.nodes[name] = &questions{holder: h, signal: make(chan struct{}, 1)}
	}
	return a
}

// ask queues a question. A node that is not known cannot be asked: the answer
// is "unknown".
func (a *asker) ask(q call.Question) {
	n := a.nodes[q.Node]
	if n == nil {
		a.tell(q, call.HeldUnknown)
		return
	}
	n.mu.Lock()
	n.queue = append(n.queue, q)
	n.mu.Unlock()
	n.wake()
}

func (n *questions) wake() {
	select {
	case n.signal <- struct{}{}:
	default:
	}
}

func (n *questions) take() (call.Question, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.queue) == 0 {
		return call.Question{}, false
	}
	q := n.queue[0]
	n.queue = n.queue[1:]
	return q, true
}

func (a *asker) run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, n := range a.nodes {
		wg.Go(func() { a.serve(ctx, n) })
	}
	wg.Wait()
}

// serve asks one node's questions until ctx ends. What is not answered then is
// asked again after the next start.
func (a *asker) serve(ctx context.Context, n *questions) {
	slots := make(chan struct{}, a.opts.Asking)
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		q, ok := n.take()
		if !ok {
			select {
			case <-n.signal:
				continue
			case <-ctx.Done():
				return
			}
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		wg.Go(func() {
			defer func() { <-slots }()
			held, err := n.holder.Holds(ctx, q)
			if err != nil {
				held = call.HeldUnknown
				if ctx.Err() == nil {
					a.opts.Logger.WithError(err).WithField("node", q.Node).WithField("call", q.Key).
						Warn("cannot ask the proxy whether it holds the dialog; asking again")
				}
			}
			a.tell(q, held)
		})
	}
}

func (a *asker) tell(q call.Question, held call.Held) {
	a.answer(call.Event{
		Kind: call.KindAsked, Node: q.Node, Boot: q.Boot, CallID: q.CallID, FromTag: q.FromTag, ToTag: q.ToTag,
		Dialog: q.Dialog, Held: held, Seen: a.opts.Clock().UnixMicro(),
	})
}
