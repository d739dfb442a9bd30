// Package journal keeps a log of opaque entries on local disk, so that what
// byeguard has learnt survives its own death and an absent PostgreSQL.
//
// Each entry has a position; positions grow by one and are never given twice.
// [Log.Append] takes entries into bounded memory and never waits. [Log.Run]
// writes them in groups and has each group on the disk within Options.CommitEvery
// of its first entry, as fast as the disk allows; Options.Committed is told. A disk that fails or hangs is
// said loudly and does not hold anybody up: what waits is then told as committed
// without being so, and is written late, or lost and counted.
//
// [Log.Replay] reads everything back after a start. Damage costs the blocks of
// 32 KiB it is in, no more; which positions are missing is known afterwards.
//
// [Queue] keeps larger pieces of work in their order, one file each.
//
// The framing (checksums, blocks) is LevelDB's log format, by
// syndtr/goleveldb/leveldb/journal, see docs/decisions/0008-journal.md. The package knows
// nothing of calls, and refuses to interpret what it keeps.
package journal
