// Command get is `make guests`: it gets everything that the test table's guests
// boot into build/guests, with a line for each.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"basalt/qemu-test/artefacts"
)

func main() {
	ctx, dir := context.Background(), filepath.Join("build", "guests")
	for _, get := range []func() (string, error){
		func() (string, error) { return artefacts.Kernel(ctx, dir) },
		func() (string, error) {
			return artefacts.Initramfs(ctx, dir, filepath.Join("qemu-test", "artefacts", "initramfs"))
		},
		func() (string, error) { return artefacts.NetworkModules(ctx, dir) },
		func() (string, error) { return artefacts.AnswerModules(ctx, dir) },
		func() (string, error) {
			return artefacts.NetworkInitramfs(ctx, dir, filepath.Join("qemu-test", "artefacts", "initramfs"))
		},
		func() (string, error) { return artefacts.Xen(ctx, dir) },
		func() (string, error) {
			d, err := artefacts.DebianSystem(ctx, dir)
			if err != nil {
				return "", err
			}
			out := filepath.Join(dir, artefacts.ArchiveName)
			return out, artefacts.Archive(out, d.Kernel, d.Initrd, d.Disk)
		},
	} {
		path, err := get()
		if err != nil {
			fmt.Fprintln(os.Stderr, "make guests:", err)
			os.Exit(1)
		}
		fmt.Println("have", path)
	}
}
