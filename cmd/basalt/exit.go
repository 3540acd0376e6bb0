package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"basalt/mgmt/client"
)

// The exit codes; they are part of the interface (see exitHelp).
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitLogin       = 4
	exitConflict    = 5
	exitUnreachable = 6
	exitNoRoom      = 7
	exitTimeout     = 8
)

const exitHelp = `Exit codes:
  0  done
  1  failed for another reason
  2  wrong usage, or the host refused a value as invalid
  3  no such machine, file or host
  4  not logged in, wrong password, too many failed logins, or another certificate
  5  not possible in this state, already there, or another action is under way
  6  the host cannot be reached
  7  the host has no room or cannot run virtual machines
  8  the time given by --timeout or --wait is over`

// runError marks an error of a command's work; all others are wrong usage.
type runError struct{ err error }

func (e *runError) Error() string { return e.err.Error() }
func (e *runError) Unwrap() error { return e.err }

// usageError is wrong usage that only the command's work found out.
type usageError string

func (e usageError) Error() string { return string(e) }

// notKnown: no such host in the configuration.
type notKnown string

func (e notKnown) Error() string { return string(e) }

// timeoutError: a time that the user gave is over.
type timeoutError string

func (e timeoutError) Error() string { return string(e) }

// needLogin: there is no host or no token to use.
type needLogin string

func (e needLogin) Error() string { return string(e) }

func exitCode(err error) int {
	var (
		run  *runError
		use  usageError
		nk   notKnown
		nl   needLogin
		tm   timeoutError
		api  *client.Error
		netw net.Error
	)
	switch {
	case err == nil:
		return exitOK
	case !errors.As(err, &run), errors.As(err, &use):
		return exitUsage
	case errors.As(err, &nk):
		return exitNotFound
	case errors.As(err, &nl), errors.Is(err, client.ErrFingerprint):
		return exitLogin
	case errors.As(err, &api):
		return statusCode(api.Status)
	case errors.As(err, &tm), errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	case errors.Is(err, os.ErrNotExist):
		return exitNotFound
	case errors.As(err, &netw), errors.Is(err, client.ErrClosed), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, io.ErrUnexpectedEOF):
		return exitUnreachable
	}
	return exitFailure
}

func statusCode(status int) int {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusLengthRequired, http.StatusRequestEntityTooLarge:
		return exitUsage
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return exitLogin
	case http.StatusConflict, http.StatusPreconditionFailed:
		return exitConflict
	case http.StatusInsufficientStorage, http.StatusServiceUnavailable:
		return exitNoRoom
	case http.StatusGatewayTimeout:
		return exitTimeout
	}
	return exitFailure
}

// report prints an error for a person, or with asJSON for a script.
func report(w io.Writer, err error, asJSON bool) {
	if asJSON {
		out := struct {
			Error    string `json:"error"`
			ExitCode int    `json:"exitCode"`
			Problem  any    `json:"problem,omitempty"`
		}{Error: err.Error(), ExitCode: exitCode(err)}
		var api *client.Error
		if errors.As(err, &api) {
			out.Problem = api.Problem
		}
		json.NewEncoder(w).Encode(out)
		return
	}
	fmt.Fprintln(w, "basalt:", err)
	switch {
	case exitCode(err) == exitUsage:
		fmt.Fprintln(w, "See 'basalt help' or add --help to the command.")
	case errors.Is(err, client.ErrFingerprint):
		fmt.Fprintln(w, "Somebody may be in between, or the host was started anew. Compare with the host's console page, then\nlog in again with --fingerprint.")
	case exitCode(err) == exitLogin:
		fmt.Fprintln(w, "Log in with 'basalt login ADDRESS'.")
	}
}
