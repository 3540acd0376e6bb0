package vfs

import (
	"bytes"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"basalt/vmkernel/sys"
)

// TestPipe is about package sys: os.Pipe with the runtime's poller.
func TestPipe(t *testing.T) {
	needOverlay(t)
	sys.InstallPipes()
	before := sys.Open()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if sys.ObjectOf(int(r.Fd())) == nil {
		t.Fatal("the pipe is not ours")
	}
	want := bytes.Repeat([]byte("pipe"), 100_000)
	go func() {
		defer w.Close()
		if _, err := w.Write(want); err != nil {
			t.Error(err)
		}
	}()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	r.Close()

	r, w, _ = os.Pipe()
	r.Close()
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("written to nobody")
	}
	w.Close()

	r, w, _ = os.Pipe()
	r.SetReadDeadline(time.Unix(1, 0))
	if _, err := r.Read(make([]byte, 1)); !os.IsTimeout(err) {
		t.Error(err)
	}
	r.Close()
	w.Close()

	// Blocking mode.
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	go syscall.Write(p[1], []byte("late"))
	b := make([]byte, 10)
	if n, err := syscall.Read(p[0], b); n != 4 || err != nil {
		t.Error(n, err)
	}
	syscall.Close(p[0])
	syscall.Close(p[1])
	if n := sys.Open(); n != before {
		t.Errorf("%d descriptors left", n-before)
	}
}
