// Package faulty wraps a disk and makes it fail on demand, for tests of what
// stands above: errors by rule, completion when the test says so, and a volatile
// write cache with power cuts.
//
// World W2, tests only. Place in the data path: between the part under test and
// the disk that holds its data, which faulty owns and closes.
//
// Contract beyond blockio.Disk: writes stay in the cache, which reads see, until
// Flush, FUA, or as many others as CacheBlocks. PowerCut decides for every block
// of every write since then whether it reached the disk, as its seed says, and so
// takes every state that the durability rules of blockio allow. The same calls
// with the same seed give the same state. Everything else that blockio permits
// to be lost after a power cut, such as the order of two completed writes, follows
// from that. Discard reaches the disk at once.
//
// The wrapped disk must not change its size meanwhile.
//
// Locking: one mutex, held for one request at a time and over the requests to
// the wrapped disk; no Done of a caller runs while it is held.
package faulty
