package call

// Update is what one Step did to one call, to be stored together: the state
// after it, the event that caused it and the effects that follow from it.
type Update struct {
	Call    Call  // a snapshot of its own (see Call.Clone)
	Changed bool  // the snapshot differs from the last one handed on
	Event   Event // what happened; Kind KindTick where only time passed
	Effects []Effect
	Pos     uint64 // where the journal holds what led to it; 0 = there is no journal
}
