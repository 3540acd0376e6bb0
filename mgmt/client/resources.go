package client

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"basalt/mgmt/wire"
)

const v1 = "/api/v1"

// Health asks GET /healthz, which needs no login.
func (c *Client) Health(ctx context.Context) (h wire.Health, err error) {
	err = c.call(ctx, http.MethodGet, "/healthz", nil, &h)
	return h, err
}

// Login gets a token; ttl 0 means the host's default.
func (c *Client) Login(ctx context.Context, user, password string, ttl time.Duration) (t wire.Token, err error) {
	err = c.call(ctx, http.MethodPost, v1+"/tokens", wire.TokenCreate{User: user, Password: password, TTLSeconds: int64(ttl / time.Second)}, &t)
	return t, err
}

// Logout revokes the client's own token.
func (c *Client) Logout(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, v1+"/tokens/current", nil, nil)
}

// Host describes the host.
func (c *Client) Host(ctx context.Context) (h wire.Host, err error) {
	err = c.call(ctx, http.MethodGet, v1+"/host", nil, &h)
	return h, err
}

func filePath(path string) string {
	segs := strings.Split(path, "/")
	for i, s := range segs {
		segs[i] = url.PathEscape(s)
	}
	return v1 + "/files/" + strings.Join(segs, "/")
}

// Files lists the files whose path begins with prefix.
func (c *Client) Files(ctx context.Context, prefix string) (l wire.FileList, err error) {
	err = c.call(ctx, http.MethodGet, v1+"/files?prefix="+url.QueryEscape(prefix), nil, &l)
	return l, err
}

// PutFile uploads size bytes from r and compares the host's SHA-256 with its own.
// With onlyNew an existing file is not replaced.
func (c *Client) PutFile(ctx context.Context, path string, r io.Reader, size int64, onlyNew bool) (f wire.File, err error) {
	sum := sha256.New()
	body := io.NopCloser(io.TeeReader(io.LimitReader(r, size), sum))
	if size == 0 {
		body = http.NoBody
	}
	req, err := c.request(ctx, http.MethodPut, filePath(path), body)
	if err != nil {
		return f, err
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Expect", "100-continue")
	if onlyNew {
		req.Header.Set("If-None-Match", "*")
	}
	res, err := c.do(req)
	if err != nil {
		return f, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&f); err != nil {
		return f, fmt.Errorf("the host's answer to the upload: %w", err)
	}
	if own := hex.EncodeToString(sum.Sum(nil)); f.SHA256 != own {
		return f, fmt.Errorf("the host stored SHA-256 %s, sent was %s", f.SHA256, own)
	}
	return f, nil
}

// GetFile downloads a file; the caller closes the reader.
func (c *Client) GetFile(ctx context.Context, path string) (r io.ReadCloser, size int64, err error) {
	req, err := c.request(ctx, http.MethodGet, filePath(path), nil)
	if err != nil {
		return nil, 0, err
	}
	res, err := c.do(req)
	if err != nil {
		return nil, 0, err
	}
	return res.Body, res.ContentLength, nil
}

// RemoveFile removes a file.
func (c *Client) RemoveFile(ctx context.Context, path string) error {
	return c.call(ctx, http.MethodDelete, filePath(path), nil, nil)
}

// CopyFile copies a file or image within the host's file store. When ctx ends the task is
// cancelled, and to stays as it was. progress may be nil.
func (c *Client) CopyFile(ctx context.Context, in wire.FileCopy, progress Progress) (f wire.File, err error) {
	if err := c.follow(ctx, v1+"/copies", in, &f, progress); err != nil {
		return wire.File{}, err
	}
	l, err := c.Files(context.WithoutCancel(ctx), in.To)
	for _, f := range l.Files {
		if f.Path == in.To {
			return f, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("the copy %q was made, and is gone already", in.To)
	}
	return wire.File{}, err
}

// CreateImage makes an empty disk image of size bytes.
func (c *Client) CreateImage(ctx context.Context, path string, size int64) (f wire.File, err error) {
	err = c.call(ctx, http.MethodPost, v1+"/images", wire.FileCreate{Path: path, Bytes: size}, &f)
	return f, err
}

// VMs lists the virtual machines.
func (c *Client) VMs(ctx context.Context) ([]wire.VM, error) {
	var l wire.VMList
	err := c.call(ctx, http.MethodGet, v1+"/vms", nil, &l)
	return l.VMs, err
}

func vmPath(id string) string { return v1 + "/vms/" + url.PathEscape(id) }

// VM gives one machine by id or name.
func (c *Client) VM(ctx context.Context, id string) (vm wire.VM, err error) {
	err = c.call(ctx, http.MethodGet, vmPath(id), nil, &vm)
	return vm, err
}

// CreateVM creates a machine.
func (c *Client) CreateVM(ctx context.Context, in wire.VMCreate) (vm wire.VM, err error) {
	err = c.call(ctx, http.MethodPost, v1+"/vms", in, &vm)
	return vm, err
}

// DeleteVM deletes a machine that is off or crashed.
func (c *Client) DeleteVM(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, vmPath(id), nil, nil)
}

// taskPoll is how often a task that takes long is asked for.
const taskPoll = 500 * time.Millisecond

// Act does start, stop, reset, pause, resume, shutdown or nmi, waits until it is done, and returns
// the machine after it.
func (c *Client) Act(ctx context.Context, id, action string) (vm wire.VM, err error) {
	r, err := c.request(ctx, http.MethodPost, vmPath(id)+"/actions/"+url.PathEscape(action), nil)
	if err != nil {
		return vm, err
	}
	res, err := c.do(r)
	if err != nil {
		return vm, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusAccepted {
		if err := c.finish(ctx, res.Header.Get("Location"), nil); err != nil {
			return vm, err
		}
		return c.VM(ctx, id)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&vm); err != nil {
		return vm, fmt.Errorf("the host's answer to %s: %w", action, err)
	}
	return vm, nil
}

// finish waits for the end of the task at path. progress may be nil.
func (c *Client) finish(ctx context.Context, path string, progress Progress) error {
	if !strings.HasPrefix(path, v1+"/") {
		return fmt.Errorf("the host names no task of its own: %q", path)
	}
	for {
		var t wire.Task
		if err := c.call(ctx, http.MethodGet, path, nil, &t); err != nil {
			return err
		}
		if progress != nil {
			progress(t.DoneBytes, t.TotalBytes)
		}
		switch t.State {
		case "done":
			return nil
		case "failed":
			if f := t.Failure; f != nil {
				return &Error{Status: f.Status, Problem: wire.Problem{Type: f.Type, Title: f.Title, Status: f.Status, Detail: f.Detail}}
			}
			return errors.New(t.Error)
		}
		select {
		case <-time.After(taskPoll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ConsoleLog gives the last 256 KiB of the console.
func (c *Client) ConsoleLog(ctx context.Context, id string) ([]byte, error) {
	return c.PortLog(ctx, id, "")
}

// PortLog is ConsoleLog for another port; "" is the console.
func (c *Client) PortLog(ctx context.Context, id, port string) ([]byte, error) {
	req, err := c.request(ctx, http.MethodGet, vmPath(id)+"/console/log?port="+url.QueryEscape(port), nil)
	if err != nil {
		return nil, err
	}
	res, err := c.do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return io.ReadAll(io.LimitReader(res.Body, 1<<20))
}

// Console attaches to a console, beginning backlog bytes in the past. Messages
// are binary, both ways.
func (c *Client) Console(ctx context.Context, id string, backlog int) (*websocket.Conn, error) {
	return c.Port(ctx, id, "", backlog)
}

// Port is Console for another port; "" is the console.
func (c *Client) Port(ctx context.Context, id, port string, backlog int) (*websocket.Conn, error) {
	h := http.Header{}
	r, err := c.request(ctx, http.MethodGet, "/", nil)
	if err != nil {
		return nil, err
	}
	for _, k := range []string{"User-Agent", "Authorization"} {
		if v := r.Header.Get(k); v != "" {
			h.Set(k, v)
		}
	}
	ws, res, err := websocket.Dial(ctx, c.base+vmPath(id)+"/console?backlog="+strconv.Itoa(backlog)+"&port="+url.QueryEscape(port),
		&websocket.DialOptions{HTTPClient: c.h1, HTTPHeader: h, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		if res != nil && res.StatusCode >= 300 {
			return nil, refusal(res)
		}
		return nil, plainError(c.addr, err)
	}
	ws.SetReadLimit(1 << 20)
	return ws, nil
}

// Events calls f for each event after the given seq: all of them, or with tail not
// negative the last so many; with follow it goes on until ctx ends or f fails.
func (c *Client) Events(ctx context.Context, after uint64, tail int, follow bool, f func(wire.Event) error) error {
	q := url.Values{}
	q.Set("follow", strconv.FormatBool(follow))
	if after > 0 {
		q.Set("after", strconv.FormatUint(after, 10))
	}
	if tail >= 0 {
		q.Set("tail", strconv.Itoa(tail))
	}
	req, err := c.request(ctx, http.MethodGet, v1+"/events?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := c.do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e wire.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("the host's event stream: %w", err)
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return lines.Err()
}

// Tasks lists the last tasks.
func (c *Client) Tasks(ctx context.Context) ([]wire.Task, error) {
	var l wire.TaskList
	err := c.call(ctx, http.MethodGet, v1+"/tasks", nil, &l)
	return l.Tasks, err
}
