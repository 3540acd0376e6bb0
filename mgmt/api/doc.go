// Package api is the REST face: HTTPS with TLS 1.3, HTTP/2 and HTTP/1.1, OpenAPI
// 3.1 generated from the code, errors as problem documents (RFC 9457), JSON bodies
// with unknown fields refused. World W2.
//
// It only translates: every decision is in auth, inventory, task, files or the
// host. A request passes, in this order: connection limit, header limits, request
// id, security headers, path check, cross-origin check, login, route. /healthz
// and POST /api/v1/tokens are the only routes without a login.
//
// Against slow and greedy clients: at most Config.MaxConnections connections. When
// they are used up, the one that has been the longest without a request of somebody
// who is logged in makes room; if all have such requests under way, the new one is
// refused; one address never has more than three quarters of them. Headers have 10 s
// and 16 KiB, JSON bodies 1 MiB, an upload or download has to make progress every 30 s.
// Of requests without a login 256 are served at a time; the oldest that waits for its
// client makes room.
//
// Ordinary routes are huma operations. Streams (files, console, events, metrics,
// pprof) are plain handlers that are entered into the same OpenAPI document.
package api
