package store

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// isUndefined says that a schema or table is not there.
func isUndefined(err error) bool {
	pe, ok := errors.AsType[*pq.Error](err)
	return ok && (pe.Code == pqerror.UndefinedTable || pe.Code == pqerror.InvalidSchemaName)
}

// isPoison says that PostgreSQL refuses the data itself: the same rows will
// fail again, and some row among them is to blame. All else (no connection, no
// room, a lock, a missing table, a server that became read-only) is the
// database's trouble and passes or gets mended.
func isPoison(err error) bool {
	pe, ok := errors.AsType[*pq.Error](err)
	if !ok {
		return false
	}
	switch pe.Code.Class() {
	case pqerror.ClassDataException,
		pqerror.ClassIntegrityConstraintViolation,
		pqerror.ClassCardinalityViolation,
		pqerror.ClassProgramLimitExceeded:
		return true
	}
	return false
}

// isFenced says that another byeguard writes for some nodes of the batch.
func isFenced(err error) bool {
	_, ok := errors.AsType[*fencedError](err)
	return ok
}

// isCut says that the session ended, or the server went away, in the midst of
// something: what was asked may be asked again when it is back.
func isCut(err error) bool {
	for _, cut := range [...]error{driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, cut) {
			return true
		}
	}
	if pe, ok := errors.AsType[*pq.Error](err); ok {
		switch pe.Code {
		case pqerror.AdminShutdown, pqerror.CrashShutdown, pqerror.CannotConnectNow, pqerror.TooManyConnections:
			return true
		}
		return pe.Code.Class() == pqerror.ClassConnectionException
	}
	_, ok := errors.AsType[net.Error](err)
	return ok
}

// orAway adds ErrUnreachable to an error that says no more than that the server
// went away: a start waits for it, or goes on without, instead of giving up.
func orAway(err error) error {
	if err == nil || errors.Is(err, ErrUnreachable) || !isCut(err) {
		return err
	}
	return fmt.Errorf("%w: %w any more: it went away meanwhile", err, ErrUnreachable)
}
