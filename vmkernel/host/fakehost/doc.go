// Package fakehost is a host without hardware: it implements vmkernel/host with
// guests that print a banner and echo their console. All of mgmt and the client
// are tested on it. Tests hold an action in the middle with Hold, make a guest
// crash with Crash, and set sizes through Options. World W2.
package fakehost
