// Package version names this build.
package version

// Version is what the build was made from; the Makefile sets it.
var Version = "0.0.0-dev"
