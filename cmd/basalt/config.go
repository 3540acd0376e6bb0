package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"basalt/mgmt/client"
)

// config is the file of the hosts that the user trusts.
type config struct {
	Current string               `json:"current,omitempty"`
	Hosts   map[string]*hostConf `json:"hosts"`
	path    string
}

// hostConf is one host.
type hostConf struct {
	Address     string    `json:"address"`
	Fingerprint string    `json:"fingerprint"`
	User        string    `json:"user,omitempty"`
	Token       string    `json:"token,omitempty"`
	Expires     time.Time `json:"expires,omitzero"`
}

func configPath() (string, error) {
	if p := os.Getenv("BASALT_CONFIG"); p != "" {
		return p, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("where to keep the configuration: %w (set BASALT_CONFIG)", err)
	}
	return filepath.Join(dir, "basalt", "config.json"), nil
}

func loadConfig() (*config, error) {
	p, err := configPath()
	if err != nil {
		return nil, err
	}
	c := &config{path: p}
	b, err := os.ReadFile(p)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil {
		if err := json.Unmarshal(b, c); err != nil {
			return nil, fmt.Errorf("configuration %s: %w", p, err)
		}
	}
	if c.Hosts == nil {
		c.Hosts = map[string]*hostConf{}
	}
	for name, h := range c.Hosts {
		if h == nil {
			delete(c.Hosts, name)
		}
	}
	return c, nil
}

// save writes the file so that nobody else can read it and no reader sees half.
func (c *config) save() error {
	dir := filepath.Dir(c.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".config-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), c.path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// find gives the host with this name or address; "" means the current one.
func (c *config) find(name string) (string, *hostConf, error) {
	if name == "" {
		name = c.Current
	}
	if name == "" {
		return "", nil, needLogin("no host yet")
	}
	if h, ok := c.Hosts[name]; ok {
		return name, h, nil
	}
	if addr, err := client.ParseAddress(name); err == nil {
		for n, h := range c.Hosts {
			if h.Address == addr {
				return n, h, nil
			}
		}
	}
	return "", nil, notKnown(fmt.Sprintf("host %q is not known here", name))
}
