package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"basalt/qemu-test/artefacts"
	"basalt/qemu-test/harness"
)

// linux is the number of instructions from a guest's start to its power-off, with
// Debian's kernel for virtual machines and an initramfs that only switches off.
func (b *bench) linux(ctx context.Context) (float64, error) {
	path, err := artefacts.Kernel(ctx, filepath.Join(b.build, "guests"))
	if err != nil {
		return 0, err
	}
	kernel, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	bin := b.folder("poweroff")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "./qemu-test/bench/poweroff")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("poweroff: %w: %s", err, msg)
	}
	program, err := os.ReadFile(bin)
	if err != nil {
		return 0, err
	}
	// QEMU passes one module: the initramfs lies behind the kernel.
	both := append(kernel[:len(kernel):len(kernel)], initramfs(program)...)
	module := b.folder("linux.module")
	if err := os.WriteFile(module, both, 0o644); err != nil {
		return 0, err
	}
	log, err := b.run(ctx, harness.Machine{Icount: true, NIC: "none", MemMiB: 1024, Limit: 5 * time.Minute, Dir: b.folder("linux"),
		Kernel: filepath.Join(b.build, "bench.elf"), Append: fmt.Sprintf("linux=%d", len(kernel)), Extra: []string{"-initrd", module}},
		`bench (done|failed.*)`)
	if err != nil {
		return 0, err
	}
	if !bytes.Contains(log, []byte("bench: user space runs")) || !bytes.Contains(log, []byte("off: off: powered off by the guest")) {
		return 0, fmt.Errorf("the guest did not get to its power-off:\n%s", harness.Tail(log, 10))
	}
	r, err := parse(log)
	return r.perOp["linux_poweroff"], err
}

// initramfs is an archive in cpio's "new ASCII" format (Linux, initramfs buffer
// format) with /init and the console that the kernel opens for it.
func initramfs(program []byte) []byte {
	var b bytes.Buffer
	ino := 0
	entry := func(name string, mode, major, minor int, data []byte) {
		ino++
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", ino, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0)
		b.WriteString(name + "\x00")
		pad(&b)
		b.Write(data)
		pad(&b)
	}
	entry("dev", 0o40755, 0, 0, nil)
	entry("dev/console", 0o20600, 5, 1, nil)
	entry("init", 0o100755, 0, 0, program)
	entry("TRAILER!!!", 0, 0, 0, nil)
	return b.Bytes()
}

func pad(b *bytes.Buffer) {
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
}
