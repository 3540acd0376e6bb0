package main

import (
	"errors"
	"fmt"

	"basalt/boot/uefi"
)

// runEFI is "mkimage efi OUT".
func runEFI(args []string) error {
	if len(args) != 1 {
		return errors.New("efi: want OUT")
	}
	b, err := uefi.Build()
	if err != nil {
		return fmt.Errorf("efi: %w", err)
	}
	if err := writeFile(args[0], b); err != nil {
		return fmt.Errorf("efi: %w", err)
	}
	return nil
}
