package linux

// Error numbers (Linux, include/uapi/asm-generic/errno.h); returned negated.
const (
	errNoEnt    = 2
	errBadF     = 9
	errChild    = 10
	errAgain    = 11
	errNoMem    = 12
	errPerm     = 1
	errFault    = 14
	errExist    = 17
	errInval    = 22
	errNFile    = 23
	errNoTTY    = 25
	errNoSys    = 38
	errTimedOut = 110
	errSearch   = 3
)
