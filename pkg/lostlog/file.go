package lostlog

import (
	"context"
	"io"
	"os"
	"time"
)

// maxRotated bounds how many rotated files are read to their end at once.
const maxRotated = 4

// follower follows a file by name. It looks with stat and read every Poll,
// which needs no inotify watch to be right: a file that was renamed is still
// read for a while, because its writer goes on with it until it is told, and the
// new one is read from its beginning.
type follower struct {
	s       *Source
	current *followed
	rotated []*followed
	missing bool // said already
	chunk   []byte
}

// followed is one open file.
type followed struct {
	f     *os.File
	info  os.FileInfo
	at    int64
	lines splitter
	until time.Time // rotated files: when to close
}

func (s *Source) followFile(ctx context.Context) {
	fo := &follower{s: s, chunk: make([]byte, 64<<10)}
	defer fo.close()
	fo.open(true)
	tick := time.NewTicker(s.opts.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			fo.turn(ctx)
		}
	}
}

// turn reads all there is, oldest file first, and notices rotation.
func (fo *follower) turn(ctx context.Context) {
	now := fo.s.opts.Now()
	for i := 0; i < len(fo.rotated); {
		r := fo.rotated[i]
		fo.read(ctx, r)
		if now.Before(r.until) {
			i++
			continue
		}
		r.f.Close()
		fo.rotated = append(fo.rotated[:i], fo.rotated[i+1:]...)
	}
	if fo.current == nil {
		fo.open(false)
	}
	if fo.current == nil {
		return
	}
	fo.read(ctx, fo.current)
	info, err := os.Stat(fo.s.opts.File)
	if err != nil || os.SameFile(info, fo.current.info) {
		return // renamed away: the writer still has the old one
	}
	fo.s.rotations.Add(1)
	fo.current.until = now.Add(fo.s.opts.Linger)
	fo.rotated = append(fo.rotated, fo.current)
	if len(fo.rotated) > maxRotated {
		fo.rotated[0].f.Close()
		fo.rotated = fo.rotated[1:]
	}
	fo.current = nil
	fo.open(false)
	if fo.current != nil {
		fo.read(ctx, fo.current)
	}
}

// open opens the file, at its end if it was there before byeguard.
func (fo *follower) open(first bool) {
	f, err := os.Open(fo.s.opts.File)
	var info os.FileInfo
	if err == nil {
		if info, err = f.Stat(); err == nil && info.IsDir() {
			err = &os.PathError{Op: "read", Path: fo.s.opts.File, Err: os.ErrInvalid}
		}
	}
	at := int64(0)
	if err == nil && first {
		at, err = f.Seek(0, io.SeekEnd)
	}
	log := fo.s.opts.Logger.WithField("node", fo.s.opts.Node)
	if err != nil {
		if f != nil {
			f.Close()
		}
		if !fo.missing {
			fo.missing = true
			log.WithError(err).Warn("kamailio's log file cannot be read: waiting for it")
		}
		return
	}
	if fo.missing {
		fo.missing = false
		log.WithField("file", fo.s.opts.File).Info("kamailio's log file can be read now")
	}
	fo.current = &followed{f: f, info: info, at: at, lines: fo.s.splitter(fo.s.opts.MaxLine)}
}

// read reads a file to its end. A file that became shorter was truncated in
// place (logrotate's copytruncate) and is read from its beginning. One that was
// truncated and has outgrown its old length within one Poll cannot be told from
// one that grew.
func (fo *follower) read(ctx context.Context, f *followed) {
	if info, err := f.f.Stat(); err == nil && info.Size() < f.at {
		if _, err := f.f.Seek(0, io.SeekStart); err != nil {
			return
		}
		f.at = 0
		f.lines.reset()
		fo.s.rotations.Add(1)
	}
	for ctx.Err() == nil {
		n, err := f.f.Read(fo.chunk)
		f.at += int64(n)
		f.lines.write(fo.chunk[:n], func(line []byte) {
			l, v := ParseLine(line)
			fo.s.take(l, v, l.At)
		})
		if n == 0 || err != nil {
			return
		}
	}
}

func (fo *follower) close() {
	if fo.current != nil {
		fo.current.f.Close()
	}
	for _, r := range fo.rotated {
		r.f.Close()
	}
}
