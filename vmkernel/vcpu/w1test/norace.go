//go:build !race

package w1test

const raced = false
