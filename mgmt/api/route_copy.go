package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"basalt/mgmt/files"
	"basalt/mgmt/task"
	"basalt/mgmt/wire"
	"basalt/vmkernel/host"
)

// copyLimit is what a copy in the file store may take.
const copyLimit = 30 * time.Minute

type copyIn struct {
	Prefer string `header:"Prefer" maxLength:"256"`
	Body   wire.FileCopy
}

type copyOut struct {
	Status   int
	Location string `header:"Location"`
	Body     wire.File
}

func (s *Server) copyRoutes(rt *router) {
	operation(rt, huma.Operation{OperationID: "copy-file", Method: http.MethodPost, Path: prefix + "/copies", Tags: []string{"files"}, Responses: late("201"),
		Summary:     "Copy a file or image within the file store",
		Description: "The copy has the same holes, and its path appears, or has other content, when all of it is there. 409 with in-use: a machine may write to the file, or has the one that would be replaced as its disk; with exists: there is one, and replace is not set. 507: there is not enough memory; the detail says how much is missing." + answersLate}, s.copyFile)
}

func (s *Server) copyFile(ctx context.Context, in *copyIn) (*copyOut, error) {
	b, user := in.Body, who(ctx).user
	var f files.Info
	// No path has a colon: the task's object is no other object's.
	t, err := s.Tasks.Run(task.Request{Kind: "file.copy", Object: "file:" + b.To, User: user, Limit: copyLimit}, func(ctx context.Context) (err error) {
		f, err = s.Files.CopyFile(ctx, b.From, b.To, !b.Replace, func(done, total uint64) { task.Progress(ctx, done, total) })
		if err == nil {
			s.Host.Events().Append(host.Event{Kind: "file.stored", Object: f.Path, User: user,
				Message: fmt.Sprintf("file %s: copy of %s, %d bytes", f.Path, b.From, f.Bytes)})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &copyOut{Status: http.StatusAccepted}
	if !strings.Contains(in.Prefer, "respond-async") {
		if out.Status, err = answered(ctx, t, http.StatusCreated); err != nil {
			return nil, err
		}
	}
	if out.Status == http.StatusAccepted {
		out.Location, out.Body.Path = prefix+"/tasks/"+t.Info().ID, b.To
		return out, nil
	}
	out.Location, out.Body = prefix+"/files/"+f.Path, wireFile(f)
	return out, nil
}
