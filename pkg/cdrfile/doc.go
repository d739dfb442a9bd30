// Package cdrfile writes call records to files that rating engines, spreadsheets
// and databases read: CSV and Parquet, with the same fields in the same order.
// The fields are documented, with what they mean to a biller, in docs/billing.md.
//
// Texts come from SIP messages and are taken for hostile. The package derives
// nothing: what a record says is package billing's.
package cdrfile
