// Package vdev holds the virtual devices, one a folder: name.go the device,
// regs.go its registers, state.go its saved form, tests and fuzz targets beside
// them. Its own tests walk through what operating systems do with several
// devices together at boot.
//
// # State
//
// A device that implements vbus.Stateful is saved while the virtual CPUs stand
// and the VM's clock is paused. It is loaded into a machine that was reset and
// whose clock was set: all devices in any order, the interrupt controllers last,
// because they save the levels of their pins and what they have latched.
package vdev
