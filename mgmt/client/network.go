package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"basalt/mgmt/wire"
)

// Networks lists the networks.
func (c *Client) Networks(ctx context.Context) ([]wire.Network, error) {
	var l wire.NetworkList
	err := c.call(ctx, http.MethodGet, v1+"/networks", nil, &l)
	return l.Networks, err
}

// Network gives one network.
func (c *Client) Network(ctx context.Context, name string) (n wire.Network, err error) {
	err = c.call(ctx, http.MethodGet, v1+"/networks/"+url.PathEscape(name), nil, &n)
	return n, err
}

// Capture gives a pcap stream of a port, until ctx ends or the port is gone; snap is
// how many bytes are kept of a frame, 0 for all. The caller closes the reader.
func (c *Client) Capture(ctx context.Context, network, port string, snap int) (io.ReadCloser, error) {
	q := url.Values{"port": {port}}
	if snap > 0 {
		q.Set("snap", strconv.Itoa(snap))
	}
	req, err := c.request(ctx, http.MethodGet, v1+"/networks/"+url.PathEscape(network)+"/capture?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	res, err := c.do(req)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}
