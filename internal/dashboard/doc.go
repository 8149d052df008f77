// Package dashboard is the status page: one HTML file, embedded, without
// anything from elsewhere. It shows what `meridian status` shows, reads it from
// /v1/status beside it once a second, and changes nothing.
package dashboard
