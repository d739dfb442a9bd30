package store

import (
	"errors"

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
