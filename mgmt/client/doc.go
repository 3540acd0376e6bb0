// Package client is the API's client in Go, used by cmd/basalt and by tests. World
// W2; it runs on Linux, macOS and Windows.
//
// It trusts exactly one certificate, by its SHA-256 fingerprint, because hosts sign
// their own: names, dates and authorities are not looked at. Without a fingerprint
// it refuses to send anything; Probe asks a host for its fingerprint so that a
// person can compare it with the console page.
package client
