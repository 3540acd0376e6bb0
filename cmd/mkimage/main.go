// Command mkimage writes what a machine boots.
//
//	mkimage elf KERNEL OUT     pack a Go-linked kernel into a bootable ELF
//	mkimage efi OUT            write the UEFI loader BOOTX64.EFI
//	mkimage image [-conf FILE] [-files ARCHIVE] [-grub DIR] -o OUT ELF
//	                           write the disk image from a bootable ELF; the archive
//	                           (cpio newc) brings files for the host's file store
//
// Its output depends on its inputs alone: no time stamps, no random numbers.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// command is one sub-command.
type command struct {
	name, args, help string
	run              func(args []string) error
}

func commands() []command {
	return []command{
		{"elf", "KERNEL OUT", "pack a Go-linked kernel into a bootable ELF", runELF},
		{"efi", "OUT", "write the UEFI loader BOOTX64.EFI", runEFI},
		{"image", "[-conf FILE] [-files ARCHIVE] -o OUT ELF", "write the disk image from a bootable ELF", runImage},
	}
}

func main() {
	flag.Usage = usage
	flag.Parse()
	for _, c := range commands() {
		if c.name != flag.Arg(0) {
			continue
		}
		if err := c.run(flag.Args()[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "mkimage:", err)
			os.Exit(1)
		}
		return
	}
	usage()
	os.Exit(2)
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: mkimage COMMAND ...")
	for _, c := range commands() {
		fmt.Fprintf(os.Stderr, "  %-6s %-46s %s\n", c.name, c.args, c.help)
	}
}

// writeFile writes through a temporary name, so that a failed run leaves no
// half-written image behind.
func writeFile(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(tmp.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}
