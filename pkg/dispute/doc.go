// Package dispute writes what is handed to a carrier in a dispute about one call: a
// page that a clerk understands, the evidence as files, and a list of their
// checksums. All texts are taken for hostile; there is no script.
package dispute
