//go:build race

package w1test

// raced says that the object code is not what runs in the kernel.
const raced = true
