// Package mgmt puts the management agent together: the file store, logins, the
// certificate, tasks, the inventory and the faces, over one vmkernel/host. World
// W2; nothing here needs the ring-0 world, and it runs unchanged on a laptop.
//
// cmd/vmkernel makes the host and a listener and calls
//
//	agent, err := mgmt.New(h, mgmt.Config{Password: conf.Password})
//	go drawConsolePage(agent.Status())
//	err = agent.Serve(listener)
//
// Start order: New costs one key generation (ECDSA P-256) and no password hashing;
// Serve calls host.Ready when the listener is being answered.
package mgmt
