package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

const prefix = "/api/v1"

// router collects huma operations and plain handlers in one mux and one document.
type router struct {
	mux *http.ServeMux
	api huma.API
}

// routes registers everything; the OpenAPI document does not change after it.
func (s *Server) routes() *http.ServeMux {
	useProblems()
	c := huma.DefaultConfig("Basalt host", "1")
	c.Info.Description = "Management of one Basalt host. Every route but GET /healthz and POST /api/v1/tokens needs a login: HTTP Basic or a bearer token."
	c.OpenAPIPath, c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", "", nil
	c.Formats = map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat}
	c.RejectUnknownQueryParameters = true
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"basic":  {Type: "http", Scheme: "basic"},
		"bearer": {Type: "http", Scheme: "bearer"},
	}
	c.Security = []map[string][]string{{"basic": {}}, {"bearer": {}}}
	rt := &router{mux: http.NewServeMux()}
	rt.api = humago.New(rt.mux, c)
	s.hostRoutes(rt)
	s.tokenRoutes(rt)
	s.fileRoutes(rt)
	s.copyRoutes(rt)
	s.vmRoutes(rt)
	s.deviceRoutes(rt)
	s.poolRoutes(rt)
	s.stateRoutes(rt)
	s.networkRoutes(rt)
	s.consoleRoutes(rt)
	s.taskRoutes(rt)
	s.eventRoutes(rt)
	s.debugRoutes(rt)
	// Encoding it is half of New's work, so it waits for the first who asks.
	s.spec = sync.OnceValue(func() []byte {
		spec, err := json.Marshal(rt.api.OpenAPI())
		if err != nil {
			panic("api: the OpenAPI document cannot be encoded: " + err.Error())
		}
		return spec
	})
	return rt.mux
}

// operation registers a huma operation whose errors are translated by problemOf.
func operation[I, O any](rt *router, op huma.Operation, f func(context.Context, *I) (*O, error)) {
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = maxJSON
	}
	op.BodyReadTimeout = requestTimeout / 2
	huma.Register(rt.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := f(ctx, in)
		if err == nil {
			return out, nil
		}
		p := problemOf(ctx, err)
		if p.wait > 0 {
			return nil, huma.ErrorWithHeaders(p, http.Header{"Retry-After": {itoa(p.wait)}})
		}
		return nil, p
	})
}

// plain registers a plain handler and documents it. pattern is the mux's path
// when it differs from the documented one.
func (rt *router) plain(op huma.Operation, pattern string, h http.HandlerFunc) {
	if pattern == "" {
		pattern = op.Path
	}
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.Responses["default"] = &huma.Response{Description: "An error, RFC 9457", Content: map[string]*huma.MediaType{
		"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}}}
	for name := range strings.SplitSeq(op.Path, "/") {
		if strings.HasPrefix(name, "{") {
			op.Parameters = append(op.Parameters, &huma.Param{Name: strings.Trim(name, "{}"), In: "path", Required: true, Schema: &huma.Schema{Type: "string"}})
		}
	}
	rt.api.OpenAPI().AddOperation(&op)
	rt.mux.HandleFunc(op.Method+" "+pattern, h)
}

func content(kind, description string) *huma.Response {
	return &huma.Response{Description: description, Content: map[string]*huma.MediaType{kind: {}}}
}

func query(name, kind, description string) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: description, Schema: &huma.Schema{Type: kind}}
}
