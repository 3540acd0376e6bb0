// Package groups names the groups of package cpusched: the host's resource pools, which
// it implements for management (host.Pools), and the machines that run, each below a
// pool.
//
// World W2. What has to be done under the policy's lock is given to Config.Exclusive.
//
// Place in the data path (DESIGN 3.3): face -> inventory -> host.Pools -> here ->
// cpusched, and a machine's owner -> vm.CPUScheduler (cpusched/ring0) -> here.
//
// Decisions: the first pool is host.PoolHost, all of the host's processors less what
// the agent is promised. A pool's times are those of the machines below it while they
// were below it, and never go back: what a machine that is off, or elsewhere by now,
// had is kept in its pool, and what a pool that is removed had in its parent.
//
// Locking: Table.mu guards everything and makes the calls that change the policy's tree
// follow each other.
//
// Not supported: moving a pool below another one. Machines that are off are not known
// here: management refuses to remove a pool that one of them names, and a start
// in a pool that is not there fails.
package groups
