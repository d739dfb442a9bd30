// Package carriercsv reads the list of calls that a carrier sends as CSV, as a
// mapping says. A line that cannot be read is an error with its number: a call
// that is left out silently would be a call that is not disputed.
package carriercsv
