// Package cert makes the host's TLS certificate: self-signed ECDSA P-256 with the
// host's name and addresses (RFC 5280; TLS 1.3 only, RFC 8446). People and the
// client check its SHA-256 fingerprint, which the console page shows. World W2.
//
// Certificate and key live in memory for now: each boot has its own fingerprint.
package cert
