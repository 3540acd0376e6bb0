package client

import (
	"context"
	"net/http"
	"net/url"

	"basalt/mgmt/wire"
)

func poolPath(name string) string { return v1 + "/pools/" + url.PathEscape(name) }

// Pools lists the resource pools, each before those in it.
func (c *Client) Pools(ctx context.Context) ([]wire.Pool, error) {
	var l wire.PoolList
	err := c.call(ctx, http.MethodGet, v1+"/pools", nil, &l)
	return l.Pools, err
}

// Pool gives one resource pool.
func (c *Client) Pool(ctx context.Context, name string) (p wire.Pool, err error) {
	err = c.call(ctx, http.MethodGet, poolPath(name), nil, &p)
	return p, err
}

// CreatePool makes a resource pool.
func (c *Client) CreatePool(ctx context.Context, in wire.PoolCreate) (p wire.Pool, err error) {
	err = c.call(ctx, http.MethodPost, v1+"/pools", in, &p)
	return p, err
}

// SetPool sets all that a resource pool is entitled to.
func (c *Client) SetPool(ctx context.Context, name string, in wire.PoolChange) (p wire.Pool, err error) {
	err = c.call(ctx, http.MethodPut, poolPath(name), in, &p)
	return p, err
}

// RemovePool removes a resource pool in which nothing is.
func (c *Client) RemovePool(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, poolPath(name), nil, nil)
}

// SetCPU sets all of a machine's part of the host's processors, and its pool.
func (c *Client) SetCPU(ctx context.Context, id string, in wire.CPU) (vm wire.VM, err error) {
	err = c.call(ctx, http.MethodPut, vmPath(id)+"/cpu", in, &vm)
	return vm, err
}
