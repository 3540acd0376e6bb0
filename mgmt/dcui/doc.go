// Package dcui is what the host's console page shows: a small structure and a
// stream of its changes. Drawing is vmkernel/console's. World W2.
//
// A Source holds the newest Status. A reader that is slow sees only the newest:
// nothing queues up.
package dcui
