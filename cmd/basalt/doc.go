// Command basalt is the client for Basalt hosts, on Linux, macOS and Windows.
//
// It only translates between a person or a script and mgmt/client. Command lines
// are cobra's: it is permissively licensed, has three small dependencies, and gives
// the shell completions that we promise, with the names of machines and files in
// them.
//
// One file a group of commands; app.go has what they share, exit.go the exit codes,
// config.go the hosts that are trusted.
package main
