package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"basalt/mgmt/files"
	"basalt/mgmt/wire"
	"basalt/vmkernel/host"
)

type listFilesIn struct {
	Prefix string `query:"prefix" maxLength:"255" doc:"Only paths that begin with this."`
}

func (s *Server) fileRoutes(rt *router) {
	operation(rt, huma.Operation{OperationID: "list-files", Method: http.MethodGet, Path: prefix + "/files",
		Summary: "The files of the store", Tags: []string{"files"}},
		func(_ context.Context, in *listFilesIn) (*body[wire.FileList], error) {
			l := wire.FileList{Files: []wire.File{}, FreeBytes: s.Files.Free()}
			for _, f := range s.Files.List(in.Prefix) {
				l.Files = append(l.Files, wireFile(f))
			}
			return &body[wire.FileList]{l}, nil
		})
	operation(rt, huma.Operation{OperationID: "create-image", Method: http.MethodPost, Path: prefix + "/images", DefaultStatus: http.StatusCreated,
		Summary: "Make an empty disk image in the file store", Tags: []string{"files"},
		Description: "It takes memory as it is written to, and gives back what a guest discards. 409 if the path exists."},
		func(ctx context.Context, in *struct{ Body wire.FileCreate }) (*created[wire.File], error) {
			f, err := s.Files.Create(in.Body.Path, in.Body.Bytes)
			if err != nil {
				return nil, err
			}
			s.Host.Events().Append(host.Event{Kind: "file.stored", Object: f.Path, User: who(ctx).user,
				Message: fmt.Sprintf("file %s: empty image of %d bytes", f.Path, f.Bytes)})
			return &created[wire.File]{prefix + "/files/" + f.Path, wireFile(f)}, nil
		})
	const documented, pattern = prefix + "/files/{path}", prefix + "/files/{path...}"
	raw := map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}
	rt.plain(huma.Operation{OperationID: "get-file", Method: http.MethodGet, Path: documented, Tags: []string{"files"},
		Summary:   "Download a file; ranges and conditions as in RFC 9110",
		Responses: map[string]*huma.Response{"200": {Description: "The content", Content: raw}}}, pattern, s.getFile)
	rt.plain(huma.Operation{OperationID: "put-file", Method: http.MethodPut, Path: documented, Tags: []string{"files"},
		Summary:     "Upload a file, replacing what was there in one step",
		Description: "Content-Length is needed and checked against the free memory before anything is stored. With If-None-Match: * an existing file is not replaced.",
		RequestBody: &huma.RequestBody{Required: true, Content: raw},
		Responses: map[string]*huma.Response{
			"200": content("application/json", "The file was replaced"), "201": content("application/json", "The file is new")}}, pattern, s.putFile)
	rt.plain(huma.Operation{OperationID: "delete-file", Method: http.MethodDelete, Path: documented, Tags: []string{"files"},
		Summary: "Remove a file that is no machine's disk now; machines that were started with it keep it",
		Responses: map[string]*huma.Response{
			"204": {Description: "The file is gone"}}}, pattern, s.deleteFile)
}

func wireFile(f files.Info) wire.File {
	return wire.File{Path: f.Path, Bytes: f.Bytes, SHA256: f.SHA256, Modified: f.Modified.UTC(), UsedBytes: f.Used, Machines: f.Users}
}

func (s *Server) getFile(w http.ResponseWriter, r *http.Request) {
	f, err := s.Files.Open(r.PathValue("path"))
	if err != nil {
		fail(w, r, err)
		return
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	if f.SHA256 != "" {
		h.Set("ETag", `"`+f.SHA256+`"`)
	}
	h.Set("Content-Disposition", "attachment")
	http.ServeContent(progressWriter(w), r, "", f.Modified, f.Reader())
}

func (s *Server) putFile(w http.ResponseWriter, r *http.Request) {
	path := r.PathValue("path")
	if r.ContentLength < 0 {
		fail(w, r, newProblem(http.StatusLengthRequired, "the upload has to declare its size with Content-Length"))
		return
	}
	if r.Header.Get("Content-Range") != "" || r.Header.Get("Content-Encoding") != "" {
		fail(w, r, newProblem(http.StatusBadRequest, "Content-Range and Content-Encoding are not supported for uploads"))
		return
	}
	onlyNew := strings.TrimSpace(r.Header.Get("If-None-Match")) == "*"
	info, replaced, err := s.Files.Put(path, progressReader(w, r.Body), r.ContentLength, onlyNew)
	if err != nil {
		if r.Context().Err() == nil {
			// Do not wait for the rest of a body that nobody wants.
			w.Header().Set("Connection", "close")
		}
		fail(w, r, err)
		return
	}
	s.Host.Events().Append(host.Event{Kind: "file.stored", Object: path, User: who(r.Context()).user,
		Message: fmt.Sprintf("file %s: %d bytes, SHA-256 %s", path, info.Bytes, info.SHA256)})
	status := http.StatusCreated
	if replaced {
		status = http.StatusOK
	} else {
		w.Header().Set("Location", prefix+"/files/"+path)
	}
	writeJSON(w, status, wireFile(info))
}

func (s *Server) deleteFile(w http.ResponseWriter, r *http.Request) {
	path := r.PathValue("path")
	if err := s.Files.Remove(path); err != nil {
		fail(w, r, err)
		return
	}
	s.Host.Events().Append(host.Event{Kind: "file.removed", Object: path, User: who(r.Context()).user, Message: "file " + path + " was removed"})
	w.WriteHeader(http.StatusNoContent)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// progress pushes a deadline on with each piece that moved, so that a stream may
// take as long as it likes but never stand still.
type progress struct {
	http.ResponseWriter
	rc *http.ResponseController
	r  io.Reader
}

func (p *progress) Read(b []byte) (int, error) {
	p.rc.SetReadDeadline(time.Now().Add(progressTimeout))
	n, err := p.r.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = newProblem(http.StatusRequestTimeout, fmt.Sprintf("the upload stood still for %v", progressTimeout))
	}
	return n, err
}

func (p *progress) Write(b []byte) (int, error) {
	p.rc.SetWriteDeadline(time.Now().Add(progressTimeout))
	return p.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (p *progress) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func progressWriter(w http.ResponseWriter) http.ResponseWriter {
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Time{})
	return &progress{ResponseWriter: w, rc: rc}
}

// progressReader reads an upload; the answer's deadline begins anew at its end.
func progressReader(w http.ResponseWriter, body io.Reader) io.Reader {
	rc := http.NewResponseController(w)
	rc.SetWriteDeadline(time.Time{})
	return &progress{rc: rc, r: body}
}
