// Package vdev holds the virtual devices, one a folder: name.go the device,
// regs.go its registers, state.go its saved form, tests and fuzz targets beside
// them. Its own tests walk through what operating systems do with several
// devices together at boot.
package vdev
