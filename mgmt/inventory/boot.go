package inventory

import (
	"errors"
	"fmt"
	"strings"

	"basalt/vmkernel/host"
)

// openBoot opens every file of b; nothing stays open on an error.
func (v *Inventory) openBoot(b Boot) (boot host.Boot, err error) {
	defer func() {
		if err != nil {
			boot.Close()
			boot = host.Boot{}
		}
	}()
	open := func(field, path string) (host.Image, error) {
		f, err := v.files.Open(path)
		if err != nil {
			return nil, &host.ConfigError{Field: field, Err: err}
		}
		return f, nil
	}
	boot.Cmdline = b.Cmdline
	if strings.ContainsAny(b.Cmdline, "\x00\n\r") {
		return boot, &host.ConfigError{Field: "boot.cmdline", Err: errors.New("line ends and zero bytes are not allowed")}
	}
	if boot.Kernel, err = open("boot.kernel", b.Kernel); err != nil {
		return boot, err
	}
	if b.Initrd != "" {
		if boot.Initrd, err = open("boot.initrd", b.Initrd); err != nil {
			return boot, err
		}
	}
	for i, m := range b.Modules {
		path, _, _ := strings.Cut(m, " ")
		img, err := open(fmt.Sprintf("boot.modules[%d]", i), path)
		if err != nil {
			return boot, err
		}
		boot.Modules = append(boot.Modules, host.Module{Image: img, String: m})
	}
	return boot, nil
}
