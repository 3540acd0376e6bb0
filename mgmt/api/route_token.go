package api

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"basalt/mgmt/auth"
	"basalt/mgmt/wire"
)

type tokenIn struct {
	from netip.Addr
	Body wire.TokenCreate
}

// Resolve implements huma.Resolver: it notes where the request comes from.
func (in *tokenIn) Resolve(ctx huma.Context) []error {
	if ap, err := netip.ParseAddrPort(ctx.RemoteAddr()); err == nil {
		in.from = ap.Addr().Unmap()
	}
	return nil
}

type created[T any] struct {
	Location string `header:"Location"`
	Body     T
}

func (s *Server) tokenRoutes(rt *router) {
	operation(rt, huma.Operation{OperationID: "create-token", Method: http.MethodPost, Path: prefix + "/tokens", DefaultStatus: http.StatusCreated, MaxBodyBytes: maxLogin,
		Summary: "Log in: user and password give a bearer token", Tags: []string{"tokens"}, Security: []map[string][]string{{}}},
		func(ctx context.Context, in *tokenIn) (*created[wire.Token], error) {
			done := s.strangers.checking(ctx)
			err := s.Auth.Password(ctx, in.Body.User, in.Body.Password, in.from)
			done()
			if err != nil {
				return nil, err
			}
			secret, tok := s.Auth.Issue(in.Body.User, in.from, time.Duration(in.Body.TTLSeconds)*time.Second)
			w := wireToken(tok)
			w.Token = secret
			return &created[wire.Token]{prefix + "/tokens/" + tok.ID, w}, nil
		})
	operation(rt, huma.Operation{OperationID: "list-tokens", Method: http.MethodGet, Path: prefix + "/tokens",
		Summary: "The tokens that are valid, without their secrets", Tags: []string{"tokens"}},
		func(context.Context, *struct{}) (*body[wire.TokenList], error) {
			l := wire.TokenList{Tokens: []wire.Token{}}
			for _, t := range s.Auth.Tokens() {
				l.Tokens = append(l.Tokens, wireToken(t))
			}
			return &body[wire.TokenList]{l}, nil
		})
	operation(rt, huma.Operation{OperationID: "revoke-token", Method: http.MethodDelete, Path: prefix + "/tokens/{id}", DefaultStatus: http.StatusNoContent,
		Summary: "Log out: revoke a token; current is the one of this request", Tags: []string{"tokens"}},
		func(ctx context.Context, in *idIn) (*struct{}, error) {
			id := in.ID
			if tok := who(ctx).token; id == "current" && tok != nil {
				id = tok.ID
			}
			return nil, s.Auth.Revoke(id)
		})
}

type idIn struct {
	ID string `path:"id" maxLength:"64" doc:"The object's id; a virtual machine's name works too."`
}

func wireToken(t auth.Token) wire.Token {
	w := wire.Token{ID: t.ID, User: t.User, Created: t.Created.UTC(), Expires: t.Expires.UTC()}
	if t.From.IsValid() {
		w.Address = t.From.String()
	}
	return w
}
