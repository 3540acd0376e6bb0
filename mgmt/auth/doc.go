// Package auth decides who may use the API. World W2.
//
// There is one user, root. Its password is configured, or random and shown on
// the console. A login is HTTP Basic or a bearer token that a login issued.
//
// In memory there is only a bcrypt hash of an HMAC-SHA256 of the password under a
// key made at start (so that length does not matter), and after a successful
// login the HMAC of that password, which makes further Basic requests cheap.
// bcrypt and not argon2id: it needs 4 KiB where the other needs several MiB at
// each login, on a host that has to run in 128 MiB, and it is integer code, which
// emulators run well. Hashing is put off until the first login or Settle, because
// it costs more instructions than the whole start of the kernel. Tokens are 256
// random bits; the table holds their SHA-256 only.
//
// Failures are counted per address (IPv6: per /64, but by itself for an address that
// has logged in) in a table of bounded size. After freeFailures of them, each further
// failure closes the address for 1, 2, 4 ... 30 seconds: attempts in that time are
// answered at once, are not checked, and say how long to wait. Tokens keep working
// meanwhile. Only a few passwords are hashed at the same time; more wait, and beyond a
// bound they are refused, so that guessing from many addresses cannot occupy the
// processors.
//
// Every comparison of secrets takes constant time, and an unknown user costs as
// much as a wrong password.
package auth
