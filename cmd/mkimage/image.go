package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"

	"basalt/boot/cpio"
	"basalt/boot/image"
	"basalt/boot/uefi"
)

// runImage is "mkimage image [-conf FILE] [-files ARCHIVE] [-grub DIR] -o OUT ELF".
func runImage(args []string) error {
	fs := flag.NewFlagSet("image", flag.ContinueOnError)
	conf := fs.String("conf", "", "settings `file` to store as basalt.conf")
	files := fs.String("files", "", "cpio `archive` (format newc) with files for the host's file store")
	out := fs.String("o", "basalt.img", "`file` to write")
	dir := fs.String("grub", image.GRUBDir, "`directory` of GRUB's i386-pc parts")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return errors.New("image: want the bootable ELF")
	}
	kernel, err := os.ReadFile(fs.Arg(0))
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	config := []byte(image.DefaultConfig)
	if *conf != "" {
		if config, err = os.ReadFile(*conf); err != nil {
			return fmt.Errorf("image: %w", err)
		}
	}
	var archive []byte
	if *files != "" {
		if archive, err = os.ReadFile(*files); err != nil {
			return fmt.Errorf("image: %w", err)
		}
		if !bytes.HasPrefix(archive, []byte(cpio.Magic)) {
			return fmt.Errorf("image: %s is not a cpio archive of the format newc", *files)
		}
	}
	loader, err := uefi.Build()
	if err != nil {
		return err
	}
	grub, err := image.MakeGRUB(*dir, image.CoreStart)
	if err != nil {
		return err
	}
	disk, err := image.Build(kernel, loader, config, grub, archive)
	if err != nil {
		return err
	}
	if err := writeFile(*out, disk); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	return nil
}
