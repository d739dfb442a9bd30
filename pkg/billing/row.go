package billing

// Row is a record as the store has it: facts, nothing derived. Texts are the
// bytes of SIP messages. Times are Unix time in µs on the proxy's clock; 0 = not
// known.
type Row struct {
	Seq      int64    // its place in the order of hand-over; 0 = an open record, not handed over
	Key      [16]byte // call.Key
	Started  int64
	Revision int
	Why      string // why it was revised; "" for revision 1
	Part     int    // number of a partial record; 0 = none
	Until    int64  // of a partial record: the time up to which it counts

	State       string // StateOpen or StateFinal
	Disposition string
	Node        string
	CallID      string
	CallerTag   string
	CalleeTag   string
	CallerURI   string
	CalleeURI   string
	CallerAddr  string // "ip:port" that its messages come from
	CalleeAddr  string

	Setup      int64
	Answered   int64
	Confirmed  int64
	Ended      int64
	DurationMS int64 // -1 = not known (yet)
	CallerEnd  int64
	CallerHow  string
	CalleeEnd  int64
	CalleeHow  string
	Closed     int64 // when the record became final, on the database's clock

	Released    string
	Code        int
	Cause       string
	Repaired    bool
	RepairedLeg string
	RepairWhy   string
	Attempts    int
	NotSeen     string // a call.Touch: what of the call byeguard could not see; "" = all was seen
}
