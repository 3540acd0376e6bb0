// Package metrics is the Prometheus face: gauges and counters gathered from the
// host at the moment of a scrape, and counters of the API. World W2.
//
// It uses a registry of its own without the process collector (there is no /proc
// here) and writes text format 0.0.4 itself through expfmt: promhttp would add
// compression that nobody asks for.
package metrics
