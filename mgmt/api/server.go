package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"basalt/mgmt/auth"
	"basalt/mgmt/cert"
	"basalt/mgmt/files"
	"basalt/mgmt/inventory"
	"basalt/mgmt/metrics"
	"basalt/mgmt/task"
	"basalt/vmkernel/host"
)

// The limits that do not depend on the host.
const (
	DefaultMaxConnections = 256
	maxJSON               = 1 << 20          // bytes of a JSON body
	maxLogin              = 4 << 10          // bytes of a login, which anybody may send
	maxStrangers          = 256              // requests without a login at the same time
	strangerTimeout       = 15 * time.Second // an answer to one of them
	maxHeader             = 16 << 10         // bytes of a request's header
	headerTimeout         = 10 * time.Second // TLS handshake and header
	idleTimeout           = 75 * time.Second // between requests
	requestTimeout        = 60 * time.Second // an ordinary request, body and answer
	progressTimeout       = 30 * time.Second // a stream without progress
	actionWait            = 30 * time.Second // a POST that waits for its task
	maxFollowers          = 64               // event streams
)

// Config is what a Server needs; everything but MaxConnections is required.
type Config struct {
	Host      host.Host
	Inventory *inventory.Inventory
	Files     *files.Store
	Tasks     *task.Manager
	Auth      *auth.Authority
	Metrics   *metrics.Metrics
	Cert      *cert.Keeper
	Log       *slog.Logger
	// MaxConnections bounds open connections; 0 means DefaultMaxConnections.
	MaxConnections int
}

// Server is the REST face.
type Server struct {
	Config
	http      *http.Server
	spec      func() []byte
	base      context.Context
	stop      context.CancelFunc
	followers chan struct{}
	captures  chan struct{}
	strangers strangers
}

// New makes a server.
func New(c Config) *Server {
	if c.MaxConnections == 0 {
		c.MaxConnections = DefaultMaxConnections
	}
	s := &Server{Config: c, followers: make(chan struct{}, maxFollowers), captures: make(chan struct{}, maxCaptures), strangers: strangers{max: maxStrangers, refused: c.Metrics.Refused}}
	s.base, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return s.base },
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          64,
			MaxReceiveBufferPerConnection: 1 << 20,
			MaxReceiveBufferPerStream:     256 << 10,
			SendPingTimeout:               30 * time.Second,
			PingTimeout:                   15 * time.Second,
			WriteByteTimeout:              progressTimeout,
		},
	}
	return s
}

// Handler is the whole chain without TLS, for tests.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Spec is the OpenAPI 3.1 document.
func (s *Server) Spec() []byte { return s.spec() }

// Serve answers HTTPS on ln until Shutdown, and returns nil then. It is called
// once.
func (s *Server) Serve(ln net.Listener) error {
	l := newLimiter(ln, s.MaxConnections, s.Metrics)
	s.http.ConnContext = withConn
	s.http.TLSConfig = cert.Config(s.Cert)
	err := s.http.ServeTLS(l, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown ends streams, lets requests under way finish as long as ctx allows,
// and then closes everything.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}
