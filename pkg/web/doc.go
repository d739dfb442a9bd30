// Package web is the HTTP server of `byeguard serve`: who may see and do what, the
// API under /api/v1, the feed of changes over a websocket, and the page's files.
//
// It holds nothing of its own but sessions. What it shows and changes it asks its
// [Backend] for, which is pkg/app. It must never delay the repair of calls, so
// everything in it has a bound: connections, requests at a time, sizes, times,
// and what waits for a slow client.
package web
