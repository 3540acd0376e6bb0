package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestServe: a line ends at CR or LF, and what is not understood is answered, too.
func TestServe(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours := os.NewFile(uintptr(fds[0]), "ours")
	p := &port{"agent", os.NewFile(uintptr(fds[1]), "theirs")}
	if _, err := io.WriteString(ours, "echo one two\recho three\nfill 2\rfly\rfill x\r"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Shutdown(fds[0], unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	if err := p.serve(); err == nil || !strings.Contains(err.Error(), "end of input") {
		t.Error(err)
	}
	p.f.Close()
	got, err := io.ReadAll(ours)
	want := "agent: one two\r\nagent: three\r\n" + strings.Repeat("0", 62) + "\r\n" + strings.Repeat("0", 61) + "1\r\nagent: filled\r\n" +
		"agent: what is \"fly\"?\r\nagent: strconv.Atoi: parsing \"x\": invalid syntax\r\n"
	if err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
}
