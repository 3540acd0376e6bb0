package main

import (
	"errors"
	"fmt"
	"os"

	"basalt/boot/elfpack"
)

// runELF is "mkimage elf KERNEL OUT".
func runELF(args []string) error {
	if len(args) != 2 {
		return errors.New("elf: want KERNEL and OUT")
	}
	k, err := readKernel(args[0])
	if err != nil {
		return err
	}
	if err := writeFile(args[1], k.ELF()); err != nil {
		return fmt.Errorf("elf: %w", err)
	}
	return nil
}

func readKernel(path string) (*elfpack.Kernel, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("kernel: %w", err)
	}
	defer f.Close()
	k, err := elfpack.Read(f)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", path, err)
	}
	return k, nil
}
