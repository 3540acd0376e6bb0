package host

import (
	"errors"
	"fmt"
	"strings"
)

// MaxShares and MaxThousandths bound a CPUSpec.
const (
	MaxShares      = 100_000
	MaxThousandths = 64_000 // more than the processors that the policy can serve have
)

// CPUSpec is what a virtual machine or a resource pool is entitled to of the host's
// processors. The zero value asks for nothing in particular.
type CPUSpec struct {
	// Shares weigh it against what else is in its pool and wants to run: one with
	// twice as many gets twice the time. 1 to MaxShares; 0: 1000 for each virtual CPU
	// that a machine has, PoolShares for a pool.
	Shares int
	// Reservation is what it gets whenever it wants that, in thousandths of a host
	// processor. A start is refused if its pool has promised too much already.
	Reservation int
	// Limit is what it never exceeds for long, in thousandths of a host processor,
	// even if nobody else wants to run; 0: no limit.
	Limit int
	// Pool is the name of the resource pool that it is in; "" or PoolHost: none but the
	// host itself.
	Pool string `json:",omitempty"`
}

// Check says what is wrong with a specification by itself. Errors: ConfigError.
func (s *CPUSpec) Check() error {
	bad := func(field, format string, a ...any) error {
		return &ConfigError{"cpu." + field, fmt.Errorf(format, a...)}
	}
	switch {
	case s.Shares < 0 || s.Shares > MaxShares:
		return bad("shares", "%d, 1 to %d are possible, 0 for the usual number", s.Shares, MaxShares)
	case s.Reservation < 0 || s.Reservation > MaxThousandths:
		return bad("reservation", "%d, 0 to %d thousandths of a CPU are possible", s.Reservation, MaxThousandths)
	case s.Limit < 0 || s.Limit > MaxThousandths:
		return bad("limit", "%d, 1 to %d thousandths of a CPU are possible, 0 for none", s.Limit, MaxThousandths)
	case s.Limit != 0 && s.Limit < s.Reservation:
		return bad("limit", "%d thousandths of a CPU are less than the reservation of %d", s.Limit, s.Reservation)
	}
	if s.Pool != "" {
		if err := CheckPoolName(s.Pool); err != nil {
			return &ConfigError{"cpu.pool", err}
		}
	}
	return nil
}

// Of resource pools.
const (
	PoolHost   = "host" // the pool of all processors, which is always there
	PoolShares = 4000   // those of a pool that asks for none: four virtual CPUs'
	MaxPools   = 128
)

// PoolConfig describes a resource pool: a part of the host's processors that the
// machines and pools in it share. Pools nest.
type PoolConfig struct {
	Name string
	CPU  CPUSpec // Pool is the one that it is in
}

// Check says what is wrong with the configuration by itself. Errors: ConfigError.
func (c *PoolConfig) Check() error {
	if err := CheckPoolName(c.Name); err != nil {
		return &ConfigError{"name", err}
	}
	return c.CPU.Check()
}

// CheckPoolName says whether a resource pool's name is well-formed.
func CheckPoolName(n string) error {
	if n == "" || len(n) > 63 {
		return errors.New("a resource pool's name has 1 to 63 characters")
	}
	for i, c := range []byte(n) {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || i > 0 && strings.IndexByte("._-", c) >= 0
		if !ok {
			return fmt.Errorf("the character %q is not allowed in a resource pool's name at position %d", c, i+1)
		}
	}
	return nil
}

// Pool is a resource pool and what is in it.
type Pool struct {
	PoolConfig
	Promised int      // the sum of the reservations in it, in thousandths of a processor
	Machines int      // that run in it, those of pools in it included
	Time     CPUStats // where the time of their virtual CPUs went; it never goes back
}

// Pools are the host's resource pools. They last until the host is started anew, as
// machines do.
type Pools interface {
	// List gives all, each before those in it; the first is PoolHost.
	List() []Pool
	// Get gives one. Errors: ErrNotFound.
	Get(name string) (Pool, error)
	// Create makes a pool. Errors: ConfigError, ErrExists, ErrTooMany; ErrNoCPU when the
	// pool that it is to be in cannot back its reservation.
	Create(PoolConfig) error
	// Set changes what a pool is entitled to, at once for what runs in it. Its place
	// cannot change. Errors: ErrNotFound, ConfigError, with ErrUnsupported for PoolHost; ErrNoCPU when the
	// reservation cannot be backed, or is less than what was promised out of it.
	Set(name string, s CPUSpec) error
	// Remove takes away a pool in which there are no pools and no machines that run.
	// Errors: ErrNotFound, ErrInUse, ConfigError with ErrUnsupported for PoolHost.
	Remove(name string) error
}
