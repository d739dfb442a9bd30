package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// UAOptions say who a user agent is and how it behaves. Only Proxy is needed
// to call, nothing to be called.
type UAOptions struct {
	// Name is the user part of its URIs; default "ua".
	Name string
	// Transport is "udp" (default) or "tcp".
	Transport string
	// Addr is where it listens; default "127.0.0.1:0".
	Addr string
	// Proxy is host:port where its calls go first.
	Proxy string
	// ContactHost replaces host:port in its Contact: the private address of an
	// agent behind NAT, that nobody outside can reach. Take one in
	// 127.9.0.0/16: the laboratory's Kamailios treat it as private, nobody
	// listens there, and nothing that is sent there leaves the machine.
	ContactHost string
	// Answer is what it does with calls; OnInvite, if set, decides call by
	// call instead. OnInvite runs in the agent's read loop: it must not block
	// or call the agent.
	Answer   Answer
	OnInvite func(invite *Message) Answer
	// Network loses and delays its datagrams; nil = a good one.
	Network *Network
	// Bye is what it does with BYEs, unless a call has a policy of its own.
	Bye ByePolicy
}

// Answer is what a called agent does with an INVITE. The zero value rings and
// answers 200 at once.
type Answer struct {
	// RingAfter is when 180 goes out; negative = never.
	RingAfter time.Duration
	// After is when the final response goes out, counted from the 180.
	After time.Duration
	// Code is that response; 0 = 200.
	Code int
	// Never gives no final response.
	Never bool
	// ToTag is the tag it picks; "" = a random one.
	ToTag string
	// Headers are whole header lines added to the responses.
	Headers []string
}

// ByePolicy is what an agent does with a right BYE. The zero value answers
// 200 at once. A wrong BYE is answered 481 or 500 whatever the policy.
type ByePolicy struct {
	// After is how long it takes.
	After time.Duration
	// Code is the answer; 0 = 200. With any other than 2xx and 481 the call
	// stays up.
	Code int
	// Never gives no answer, and the call stays up.
	Never bool
	// IgnoreCopies is how many copies of a BYE (the first and retransmissions)
	// get lost before one is seen.
	IgnoreCopies int
}

func (o UAOptions) withDefaults() (UAOptions, error) {
	if o.Name == "" {
		o.Name = "ua"
	}
	if o.Transport == "" {
		o.Transport = "udp"
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Proxy != "" {
		if _, err := netip.ParseAddrPort(o.Proxy); err != nil {
			return o, fmt.Errorf("read proxy's address: %w", err)
		}
	}
	return o, nil
}

// OptionsPolicy is what an agent does with an OPTIONS in a call that is up. The
// zero value does what RFC 3261 section 12.2.2 says: 500 if its CSeq is below the
// last one, else 200.
type OptionsPolicy struct {
	// Code is the answer whatever the CSeq; 0 = by the rule.
	Code int
	// Never gives no answer.
	Never bool
}

// CallOptions describe a call to be placed. Only To is needed.
type CallOptions struct {
	// To is the Request-URI, and the To URI unless ToURI is set.
	To, ToURI string
	// CallID and FromTag are random when "". They are written as they are.
	CallID, FromTag string
	// FromURI is by default sip:NAME@ADDR.
	FromURI string
	// DisplayName is put in quotes, with " and \ escaped.
	DisplayName string
	// Contact is a whole Contact URI instead of the agent's own.
	Contact string
	// Headers are whole header lines added to the INVITE.
	Headers []string
	// CSeq of the INVITE; 0 = 1.
	CSeq uint32
	// AckAfter delays the ACK; NoAck sends none.
	AckAfter time.Duration
	NoAck    bool
	// Bye overrides the agent's policy.
	Bye *ByePolicy
}

// ErrNoTarget says that a call has no Request-URI.
var ErrNoTarget = errors.New("call has no To")
