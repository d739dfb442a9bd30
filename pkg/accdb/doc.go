// Package accdb reads what Kamailio's acc module wrote to PostgreSQL, MySQL or
// MariaDB (acc_cdrs, or acc), and mends rows of acc_cdrs. It never touches a row
// that was not named to it.
package accdb
