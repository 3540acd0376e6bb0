package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/coder/websocket"
	"github.com/danielgtaylor/huma/v2"

	"basalt/vmkernel/host"
)

// Sizes of console messages, in bytes.
const (
	consoleOut     = 16 << 10 // most of one message to a reader
	consoleIn      = 64 << 10 // most of one message from a reader
	consoleBacklog = 4 << 10  // what a new reader sees of the past, unless it asks
)

const portText = "Serial port 1 to 4, or a console port's name; 1, the console, when left out."

func (s *Server) consoleRoutes(rt *router) {
	rt.plain(huma.Operation{OperationID: "get-console-log", Method: http.MethodGet, Path: prefix + "/vms/{id}/console/log", Tags: []string{"console"},
		Summary:    "The last 256 KiB that the guest wrote to its serial console, or the last 16 KiB of another port",
		Parameters: []*huma.Param{query("port", "string", portText)},
		Responses:  map[string]*huma.Response{"200": content("application/octet-stream", "The bytes as written")}}, "",
		func(w http.ResponseWriter, r *http.Request) {
			c, err := s.Inventory.Port(r.PathValue("id"), r.URL.Query().Get("port"))
			if err != nil {
				fail(w, r, err)
				return
			}
			log := c.Log()
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Length", itoa(len(log)))
			w.Write(log)
		})
	rt.plain(huma.Operation{OperationID: "attach-console", Method: http.MethodGet, Path: prefix + "/vms/{id}/console", Tags: []string{"console"},
		Summary:     "The serial console, or another port, as a WebSocket (RFC 6455), binary messages both ways",
		Description: "Any number of readers up to 32. A reader that is too slow loses the oldest bytes and is told so in the stream. Input waits until the guest takes it; one that takes nothing for 30 seconds while its queue is full ends the connection.",
		Parameters:  []*huma.Param{query("backlog", "integer", "Bytes of the past to begin with; 4096 when left out."), query("port", "string", portText)},
		Responses:   map[string]*huma.Response{"101": {Description: "The WebSocket is open"}}}, "", s.attachConsole)
}

func (s *Server) attachConsole(w http.ResponseWriter, r *http.Request) {
	backlog := consoleBacklog
	if q := r.URL.Query().Get("backlog"); q != "" {
		n, err := strconv.Atoi(q)
		if err != nil || n < 0 {
			fail(w, r, newProblem(http.StatusUnprocessableEntity, "backlog is a number of bytes"))
			return
		}
		backlog = n
	}
	c, err := s.Inventory.Port(r.PathValue("id"), r.URL.Query().Get("port"))
	if err != nil {
		fail(w, r, err)
		return
	}
	if r.Header.Get("Upgrade") == "" {
		w.Header().Set("Upgrade", "websocket")
		fail(w, r, newProblem(http.StatusUpgradeRequired, "this is a WebSocket; GET .../console/log gives the log"))
		return
	}
	reader, err := c.Attach(backlog)
	if err != nil {
		fail(w, r, fmt.Errorf("console readers: %w", err))
		return
	}
	defer reader.Close()
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Time{})
	rc.SetWriteDeadline(time.Time{})
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // Accept has answered
	}
	defer ws.CloseNow()
	ws.SetReadLimit(consoleIn)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		defer cancel()
		consoleInput(ctx, ws, c)
	}()
	consoleOutput(ctx, ws, reader)
}

// consoleInput passes input on until the connection ends or the guest stands still
// with its queue full: while input waits nothing is read, so the end of a connection
// would not be seen for as long as the guest takes nothing.
func consoleInput(ctx context.Context, ws *websocket.Conn, c *host.Console) {
	// A read that is cancelled cuts the connection, before consoleOutput can say why.
	uncut := context.WithoutCancel(ctx)
	for {
		_, p, err := ws.Read(uncut)
		if err != nil {
			return
		}
		for part := range slices.Chunk(p, host.ConsoleInputSize) {
			if !take(ctx, c, part) {
				ws.Close(websocket.StatusGoingAway, "the guest takes no input")
				return
			}
		}
	}
}

func take(ctx context.Context, c *host.Console, p []byte) bool {
	ctx, cancel := context.WithTimeout(ctx, progressTimeout)
	defer cancel()
	_, err := c.SendAll(ctx, p)
	return err == nil
}

func consoleOutput(ctx context.Context, ws *websocket.Conn, r *host.ConsoleReader) {
	buf := make([]byte, consoleOut)
	for {
		n, err := r.Read(ctx, buf)
		if err != nil {
			reason := "the machine was deleted"
			if ctx.Err() != nil {
				reason = "the host ends the connection"
			}
			ws.Close(websocket.StatusGoingAway, reason)
			return
		}
		if lost := r.Lost(); lost > 0 {
			note := fmt.Sprintf("\r\n[basalt: %d bytes were skipped]\r\n", lost)
			if send(ctx, ws, []byte(note)) != nil {
				return
			}
		}
		if send(ctx, ws, buf[:n]) != nil {
			return
		}
	}
}

func send(ctx context.Context, ws *websocket.Conn, p []byte) error {
	ctx, cancel := context.WithTimeout(ctx, progressTimeout)
	defer cancel()
	return ws.Write(ctx, websocket.MessageBinary, p)
}
