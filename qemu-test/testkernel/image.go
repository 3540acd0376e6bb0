package testkernel

import (
	"bytes"

	"basalt/vmkernel/host"
)

type image struct {
	*bytes.Reader
	name string
}

func (i image) Name() string { return i.name }
func (i image) Close() error { return nil }

// Image is a guest's file of that name.
func Image(name string, content []byte) host.Image { return image{bytes.NewReader(content), name} }
