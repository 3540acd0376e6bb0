// Package vbus is where a virtual machine's devices meet its address spaces:
// port I/O, MMIO and interrupt lines. World W2.
package vbus
