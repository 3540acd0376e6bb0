// Package version holds what the linker says about the build. World W2.
package version

// Version names the build, such as "v0.1.0-12-g811e836"; the Makefile sets it with
// -X basalt/mgmt/version.Version=...
var Version = "dev"
