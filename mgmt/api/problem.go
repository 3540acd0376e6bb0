package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"basalt/drivers/blockio"
	"basalt/mgmt/auth"
	"basalt/mgmt/files"
	"basalt/vmkernel/host"
)

// Bounds on what an error repeats of the request.
const (
	maxDetails = 16
	maxValue   = 64
)

// Problem is an error body, RFC 9457.
type Problem struct {
	Type     string   `json:"type,omitempty" doc:"urn:basalt:problem:NAME, or left out when the status says everything."`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail,omitempty" doc:"What happened, for a person."`
	Instance string   `json:"instance,omitempty" doc:"urn:basalt:request:ID, as in the X-Request-Id header."`
	Errors   []Detail `json:"errors,omitempty" doc:"What is wrong with which field."`

	wait int // seconds for Retry-After
}

// Detail is the part of a problem that belongs to one field.
type Detail struct {
	Message  string `json:"message"`
	Location string `json:"location,omitempty" doc:"Such as body.boot.kernel."`
	Value    any    `json:"value,omitempty" doc:"What was sent, if it is short."`
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func newProblem(status int, detail string) *Problem {
	return &Problem{Status: status, Title: http.StatusText(status), Detail: detail}
}

// useProblems makes huma answer with Problem.
var useProblems = sync.OnceFunc(func() {
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		p := newProblem(status, msg)
		for _, e := range errs {
			if len(p.Errors) == maxDetails {
				break
			}
			p.Errors = append(p.Errors, detail(e))
		}
		switch {
		case status == http.StatusUnsupportedMediaType:
			p.Detail = "the body has to be JSON, with Content-Type: application/json"
		case msg == "validation failed" && len(p.Errors) > 0:
			p.Detail = strings.TrimPrefix(p.Errors[0].Location+": ", ": ") + p.Errors[0].Message
		}
		return p
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := huma.NewError(status, msg, errs...).(*Problem)
		if ctx != nil {
			p.Instance = instance(ctx.Context())
		}
		return p
	}
})

func detail(e error) Detail {
	h, ok := e.(huma.ErrorDetailer)
	if !ok {
		return Detail{Message: e.Error()}
	}
	d := h.ErrorDetail()
	out := Detail{Message: clip(d.Message, 256), Location: clip(d.Location, 256)}
	switch v := d.Value.(type) {
	case bool, float64, int, int64:
		out.Value = v
	case string:
		// Never the whole body, and never a secret.
		if len(v) <= maxValue && strings.HasPrefix(d.Location, "body.") && !strings.Contains(d.Location, "password") {
			out.Value = v
		}
	}
	return out
}

func clip(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "..."
	}
	return s
}

// problemOf translates an error of the inner packages.
func problemOf(ctx context.Context, err error) *Problem {
	status, kind := http.StatusInternalServerError, ""
	var (
		config *host.ConfigError
		wait   *auth.WaitError
		tooBig *http.MaxBytesError
		known  *Problem
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &config):
		p := newProblem(http.StatusUnprocessableEntity, err.Error())
		p.Type = "urn:basalt:problem:invalid"
		p.Errors = []Detail{{Message: config.Err.Error(), Location: "body." + config.Field}}
		p.Instance = instance(ctx)
		return p
	case errors.As(err, &wait):
		status, kind = http.StatusTooManyRequests, "login-delayed"
	case errors.As(err, &tooBig):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, auth.ErrDenied):
		status, kind = http.StatusUnauthorized, "login"
	case errors.Is(err, auth.ErrBusy):
		status, kind = http.StatusServiceUnavailable, "busy"
	case errors.Is(err, files.ErrPath):
		status, kind = http.StatusUnprocessableEntity, "path"
	case errors.Is(err, host.ErrDiskSize):
		status, kind = http.StatusUnprocessableEntity, "size"
	case errors.Is(err, host.ErrCut):
		status, kind = http.StatusConflict, "cut-off"
	case errors.Is(err, host.ErrInUse):
		status, kind = http.StatusConflict, "in-use"
	case errors.Is(err, host.ErrNoSlot):
		status, kind = http.StatusConflict, "no-slot"
	case errors.Is(err, host.ErrUnsupported):
		status, kind = http.StatusNotImplemented, "unsupported"
	case errors.Is(err, blockio.ErrReadOnly):
		status, kind = http.StatusConflict, "read-only"
	case errors.Is(err, host.ErrNoCPU):
		status, kind = http.StatusInsufficientStorage, "cpu"
	case errors.Is(err, files.ErrTooLarge), errors.Is(err, host.ErrNoMemory):
		status, kind = http.StatusInsufficientStorage, "memory"
	case errors.Is(err, host.ErrIncompatible):
		status, kind = http.StatusConflict, "incompatible"
	case errors.Is(err, host.ErrBadState):
		status, kind = http.StatusUnprocessableEntity, "bad-state"
	case errors.Is(err, host.ErrNotSavable):
		status, kind = http.StatusConflict, "not-savable"
	case errors.Is(err, files.ErrShort):
		status, kind = http.StatusBadRequest, "cut"
	case errors.Is(err, host.ErrNotFound):
		status, kind = http.StatusNotFound, "not-found"
	case errors.Is(err, host.ErrExists), errors.Is(err, files.ErrConflict):
		status, kind = http.StatusConflict, "exists"
	case errors.Is(err, host.ErrState):
		status, kind = http.StatusConflict, "state"
	case errors.Is(err, host.ErrBusy):
		status, kind = http.StatusConflict, "busy"
	case errors.Is(err, host.ErrBadImage):
		status, kind = http.StatusUnprocessableEntity, "image"
	case errors.Is(err, host.ErrNoEngine):
		status, kind = http.StatusServiceUnavailable, "no-engine"
	case errors.Is(err, host.ErrTooMany), errors.Is(err, host.ErrClosed):
		status, kind = http.StatusServiceUnavailable, "too-many"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		status, kind = http.StatusGatewayTimeout, "cancelled"
	}
	p := newProblem(status, err.Error())
	if kind != "" {
		p.Type = "urn:basalt:problem:" + kind
	}
	if wait != nil {
		p.wait = wait.Seconds()
	}
	p.Instance = instance(ctx)
	return p
}

// fail answers a plain handler's request with err.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	writeProblem(w, r, problemOf(r.Context(), err))
}

func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	if p.Instance == "" {
		p.Instance = instance(r.Context())
	}
	body, _ := json.Marshal(p)
	h := w.Header()
	h.Set("Content-Type", p.ContentType(""))
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	h.Del("Content-Range")
	h.Del("ETag")
	h.Del("Last-Modified")
	if p.wait > 0 {
		h.Set("Retry-After", strconv.Itoa(p.wait))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="basalt", charset="UTF-8"`)
		h.Add("WWW-Authenticate", `Bearer realm="basalt"`)
	}
	w.WriteHeader(p.Status)
	w.Write(append(body, '\n'))
}
