package main

import (
	"log/slog"

	"basalt/vmkernel/linux"
)

// logTSC says how the processors' time-stamp counters stand to each other: virtual
// machines and the host's clock depend on them.
func logTSC(log *slog.Logger) {
	low, high := int64(0), int64(0)
	for n := 1; n < linux.CPUs(); n++ {
		l, h, state := linux.TSCSkew(n)
		low, high = min(low, l), max(high, h)
		switch state {
		case linux.TSCInStep:
		case linux.TSCCorrected:
			log.Info("the time-stamp counter was not in step", "cpu", n, "ticks ahead", (l+h)/2, "state", state)
		default:
			log.Warn("the time-stamp counter is not in step: the clock is kept from going back, machines may see theirs jump",
				"cpu", n, "ticks ahead", (l+h)/2, "state", state)
		}
	}
	if linux.CPUs() > 1 {
		log.Info("time-stamp counters compared", "ticks apart, from", low, "to", high)
	}
}
