package cases

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"basalt/boot/cpio"
	"basalt/qemu-test/harness"
)

// A boot module that is a cpio archive fills the file store. PVH carries one module
// from QEMU; GRUB's and UEFI's modules come the same way into boot/info.
func TestBootFiles(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte("0123456789abcdef"), 3<<20/16)
	archive := func(cut int) string {
		b := cpio.Append(nil, cpio.Entry{Name: "sub", Mode: cpio.KindDir | 0o755})
		b = cpio.Append(b, cpio.Entry{Name: "sub/big", Mode: cpio.KindFile | 0o644, Body: big})
		b = cpio.Append(b, cpio.Entry{Name: "/bad//name", Mode: cpio.KindFile | 0o644})
		b = cpio.End(cpio.Append(b, cpio.Entry{Name: "small", Mode: cpio.KindFile | 0o644, Body: []byte("content")}))
		path := filepath.Join(t.TempDir(), "files")
		if err := os.WriteFile(path, b[:len(b)-cut], 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name, log string
		cut, want int
	}{
		{"whole", `files=2 MiB=3`, 0, 2},
		{"cut", `damaged cpio archive`, 200, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := boot(t, harness.Machine{Extra: []string{"-initrd", archive(c.cut)}})
			if !matches(c.log, n.Log()) || !matches(`bad//name`, n.Log()) {
				t.Errorf("the log has no %q or no word of the bad name", c.log)
			}
			list, err := n.api.Files(n.ctx, "")
			if err != nil || len(list.Files) != c.want {
				t.Fatalf("%+v, %v", list, err)
			}
			r, _, err := n.api.GetFile(n.ctx, "sub/big")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, big) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if strings.Contains(string(n.Log()), "panic") {
				t.Error("panic")
			}
		})
	}
}
