package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"basalt/mgmt/task"
	"basalt/mgmt/wire"
)

func (s *Server) taskRoutes(rt *router) {
	operation(rt, huma.Operation{OperationID: "list-tasks", Method: http.MethodGet, Path: prefix + "/tasks", Summary: "The last 256 tasks, oldest first", Tags: []string{"tasks"}},
		func(context.Context, *struct{}) (*body[wire.TaskList], error) {
			l := wire.TaskList{Tasks: []wire.Task{}}
			for _, t := range s.Tasks.List() {
				l.Tasks = append(l.Tasks, wireTask(t))
			}
			return &body[wire.TaskList]{l}, nil
		})
	operation(rt, huma.Operation{OperationID: "get-task", Method: http.MethodGet, Path: prefix + "/tasks/{id}", Summary: "One task", Tags: []string{"tasks"}},
		func(_ context.Context, in *idIn) (*body[wire.Task], error) {
			t, err := s.Tasks.Get(in.ID)
			return &body[wire.Task]{wireTask(t)}, err
		})
	operation(rt, huma.Operation{OperationID: "cancel-task", Method: http.MethodDelete, Path: prefix + "/tasks/{id}", DefaultStatus: http.StatusNoContent,
		Summary: "Ask a running task to end", Tags: []string{"tasks"},
		Description: "It does not wait. A task that gives up is failed, and has left nothing behind; one that is past the point of no return is done."},
		func(_ context.Context, in *idIn) (*struct{}, error) { return nil, s.Tasks.Cancel(in.ID) })
}

func wireTask(t task.Info) wire.Task {
	w := wire.Task{ID: t.ID, Kind: t.Kind, Object: t.Object, User: t.User, State: string(t.State), Started: t.Started.UTC(),
		DoneBytes: t.DoneBytes, TotalBytes: t.TotalBytes}
	if t.Err != nil {
		w.Error = t.Err.Error()
		p := problemOf(context.Background(), t.Err)
		w.Failure = &wire.Failure{Type: p.Type, Title: p.Title, Status: p.Status, Detail: p.Detail}
	}
	if !t.Finished.IsZero() {
		f := t.Finished.UTC()
		w.Finished = &f
	}
	return w
}
