package host

import "fmt"

// AllCPUs is how many virtual CPUs the machine can have in its life.
func (c *Config) AllCPUs() int { return max(c.CPUs, c.MaxCPUs) }

// CheckAddCPUs says whether n virtual CPUs can come. Errors: ConfigError, with
// ErrTooMany when there is no room for them.
func (c *Config) CheckAddCPUs(n int) error {
	switch {
	case n < 1:
		return &ConfigError{"cpus", fmt.Errorf("%d cannot be added", n)}
	case n > c.AllCPUs()-c.CPUs:
		return &ConfigError{"cpus", fmt.Errorf("%w: %d more, the machine has %d and can have %d", ErrTooMany, n, c.CPUs, c.AllCPUs())}
	}
	return nil
}
