// Package task runs the jobs that change objects: one at a time per object, with
// a record that people can read afterwards. World W2.
//
// A job runs in its own goroutine with a time limit and does not end with the
// request that began it; somebody can end it by hand, and it can say how far it is. The history is bounded. Locking: Manager.mu guards all.
package task
