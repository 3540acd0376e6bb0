// This file lets block_unsafe.go declare functions without a body.
