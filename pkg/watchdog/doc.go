// Package watchdog keeps a stalled byeguard from freezing the proxy: a small
// parent process starts the real one as its child, listens to its heartbeat,
// and kills it when the beat stops.
//
// Why a parent and not a goroutine: Kamailio's evapi dispatcher blocks in its
// write to a client that stays connected and stops reading, and the SIP workers
// block behind it until that connection dies. A process that was stopped, or
// whose reader hangs, cannot close its own connection; only its death does.
// Why not the service manager's watchdog alone: systemd's has the same power,
// but byeguard also runs in containers and from a shell.
//
// The parent ([Run]) does nothing else: no configuration, no sockets, no
// database. It refuses to restart a child that ended by itself, whatever its
// exit status: a configuration error ends the parent too. The child
// ([Child]) tells it, 20 times a second, how long the most silent of its
// sources has been silent; a source is a goroutine that must not stall, such as
// the reader of one evapi connection.
package watchdog
