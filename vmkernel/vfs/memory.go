package vfs

import "basalt/vmkernel/sys"

// trapMemory takes windows from the trap's anonymous mappings.
type trapMemory struct{}

func (trapMemory) Reserve(n int) ([]byte, sys.Errno) { return sys.ReserveMemory(n) }
func (trapMemory) Release(w []byte)                  { sys.ReleaseMemory(w) }
func (trapMemory) Discard(part []byte)               { sys.DiscardMemory(part) }
