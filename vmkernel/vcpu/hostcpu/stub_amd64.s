// This file lets block_unsafe.go declare functions without a body.
//
// JUSTIFICATION: the compiler takes a declaration without a body only in a package
// that has an assembly file.
// SAFETY: there is no code in it.
