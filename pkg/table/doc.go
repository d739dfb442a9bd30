// Package table writes lists of things for people (aligned text), for programs
// (JSON) and for spreadsheets (CSV), from one description of their columns.
//
// Rows are written as they come, so a list of any length needs little memory.
// All texts are taken for hostile: whatever they hold, no control sequence
// reaches a terminal and no formula a spreadsheet. The package knows nothing of
// calls and refuses to look into its values.
package table
