package fakehost

import (
	"testing"

	"basalt/vmkernel/host"
	"basalt/vmkernel/host/hosttest"
)

func TestConformance(t *testing.T) {
	hosttest.Run(t, hosttest.Subject{
		New:    func(*testing.T) host.Host { return New(Options{}) },
		Kernel: []byte("\x7fELF"), MemoryMiB: 16,
	})
}
