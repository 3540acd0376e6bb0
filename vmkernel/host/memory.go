package host

import "fmt"

// MemoryStepMiB is what memory that comes while a machine runs comes in: the sections of
// Linux's memory.
const MemoryStepMiB = 128

// MaxNUMANodes and MinNodeMiB are the most virtual NUMA nodes of a machine and the least
// memory of one.
const (
	MaxNUMANodes = 8
	MinNodeMiB   = 16
)

// AllMemoryMiB is how much memory the machine can have in its life.
func (c *Config) AllMemoryMiB() int { return max(c.MemoryMiB, c.MaxMemoryMiB) }

// CheckAddMemory says whether mib MiB of memory can come. Errors: ConfigError, with
// ErrTooMany when the machine may not have so much.
func (c *Config) CheckAddMemory(mib int) error {
	switch {
	case mib < 1 || mib%MemoryStepMiB != 0:
		return &ConfigError{"memoryMiB", fmt.Errorf("%d MiB cannot be added: it has to be a multiple of %d", mib, MemoryStepMiB)}
	case mib > c.AllMemoryMiB()-c.MemoryMiB:
		return &ConfigError{"memoryMiB", fmt.Errorf("%w: %d MiB more, the machine has %d and can have %d", ErrTooMany, mib, c.MemoryMiB, c.AllMemoryMiB())}
	}
	return nil
}

// checkMemory is the part of CheckDevices that is about what memory can become and how
// it is divided.
func (c *Config) checkMemory() error {
	if c.MaxMemoryMiB != 0 && c.MaxMemoryMiB < c.MemoryMiB {
		return &ConfigError{"maxMemoryMiB", fmt.Errorf("%d, at least the %d that it has at first are needed, or 0 for none to come", c.MaxMemoryMiB, c.MemoryMiB)}
	}
	most := min(MaxNUMANodes, c.CPUs, max(c.MemoryMiB/MinNodeMiB, 1))
	if c.NUMANodes != 0 && (c.NUMANodes < 1 || c.NUMANodes > most) {
		return &ConfigError{"numaNodes", fmt.Errorf("%d, 1 to %d are possible for %d CPUs and %d MiB", c.NUMANodes, most, c.CPUs, c.MemoryMiB)}
	}
	return nil
}
