package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"basalt/mgmt/wire"
)

// Progress is told how many bytes of how many are done; of 0 when nobody knows.
type Progress func(done, total uint64)

// cancelWait is how long a cancelled task may take to give up.
const cancelWait = 20 * time.Second

// Suspend writes a machine's state into a file and switches it off. When ctx ends the
// task is cancelled, and the machine goes on. progress may be nil.
func (c *Client) Suspend(ctx context.Context, id string, in wire.VMSuspend, progress Progress) (wire.VM, error) {
	return c.long(ctx, vmPath(id)+"/suspend", in, id, progress)
}

// Clone makes a second machine that goes on from where one is. As Suspend.
func (c *Client) Clone(ctx context.Context, id string, in wire.VMClone, progress Progress) (wire.VM, error) {
	return c.long(ctx, vmPath(id)+"/clone", in, in.Name, progress)
}

// Restore makes a machine from a saved state. As Suspend.
func (c *Client) Restore(ctx context.Context, in wire.VMRestore, progress Progress) (wire.VM, error) {
	return c.long(ctx, v1+"/restore", in, in.Name, progress)
}

// State says what a saved state says about itself; with check all of it is read.
func (c *Client) State(ctx context.Context, file string, check bool) (s wire.SavedState, err error) {
	err = c.call(ctx, http.MethodGet, v1+"/state?file="+url.QueryEscape(file)+"&check="+strconv.FormatBool(check), nil, &s)
	return s, err
}

// CancelTask asks a task to end, and does not wait.
func (c *Client) CancelTask(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, v1+"/tasks/"+url.PathEscape(id), nil, nil)
}

// long begins a task, follows it to its end, and gives machine id; without an id the
// one that the host named.
func (c *Client) long(ctx context.Context, path string, in any, id string, progress Progress) (vm wire.VM, err error) {
	if err := c.follow(ctx, path, in, &vm, progress); err != nil {
		return wire.VM{}, err
	}
	if id == "" {
		id = vm.Name
	}
	return c.VM(context.WithoutCancel(ctx), id)
}

// follow begins a task and follows it to its end. begun is what the host said first. When
// ctx ends the task is cancelled; it gives nil if that was done before.
func (c *Client) follow(ctx context.Context, path string, in, begun any, progress Progress) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := c.request(ctx, http.MethodPost, path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Prefer", "respond-async")
	res, err := c.do(r)
	if err != nil {
		return err
	}
	err = json.NewDecoder(res.Body).Decode(begun)
	res.Body.Close()
	if err != nil {
		return err
	}
	at := res.Header.Get("Location")
	if err = c.finish(ctx, at, progress); err != nil && ctx.Err() != nil {
		err = c.cancel(ctx, at)
	}
	return err
}

// cancel ends the task at path and waits for it. It gives ctx's error, or nil when the
// task was done before.
func (c *Client) cancel(ctx context.Context, path string) error {
	late, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelWait)
	defer stop()
	err := c.CancelTask(late, strings.TrimPrefix(path, v1+"/tasks/"))
	if err == nil || statusOf(err) == http.StatusConflict {
		if err = c.finish(late, path, nil); err == nil {
			return nil
		}
	}
	return errors.Join(ctx.Err(), err)
}

func statusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}
