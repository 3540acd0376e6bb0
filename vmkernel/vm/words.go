package vm

import (
	"errors"
	"fmt"

	"basalt/vmkernel/gmem"
	"basalt/vmkernel/host"
	"basalt/vmkernel/vm/loader"
)

// images is a boot in the loader's words.
func images(b host.Boot) loader.Boot {
	l := loader.Boot{Kernel: b.Kernel, Cmdline: b.Cmdline}
	if b.Kernel != nil {
		l.Name = b.Kernel.Name()
	}
	if b.Initrd != nil {
		l.Initrd = b.Initrd
	}
	for _, m := range b.Modules {
		l.Modules = append(l.Modules, loader.Module{Source: m.Image, String: m.String})
	}
	return l
}

// translate puts an error into the words of vmkernel/host.
func translate(err error) error {
	switch {
	case errors.Is(err, loader.ErrImage):
		return fmt.Errorf("%w: %w", host.ErrBadImage, err)
	case errors.Is(err, loader.ErrTooLarge):
		return &host.ConfigError{Field: "memoryMiB", Err: fmt.Errorf("%w: %w", host.ErrBadImage, err)}
	case errors.Is(err, gmem.ErrNoMemory):
		return fmt.Errorf("%w: %w", host.ErrNoMemory, err)
	}
	return err
}
