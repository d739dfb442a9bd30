// Package migrations holds the database's schema as goose migrations, embedded
// in the binary. It knows no connection: pkg/store applies them.
package migrations

import "embed"

// FS holds the migrations, NNNNN_name.sql, in the root folder.
//
//go:embed *.sql
var FS embed.FS
