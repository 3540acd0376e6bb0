package acpitables

// Methods and the statements in them (20.2.5.2 to 20.2.5.4).

const (
	opMethod           = 0x14
	opLocal0           = 0x60
	opArg0             = 0x68
	opStore            = 0x70
	opAdd              = 0x72
	opSubtract         = 0x74
	opShiftLeft        = 0x79
	opAnd              = 0x7B
	opOr               = 0x7D
	opNotify           = 0x86
	opCreateDWordField = 0x8A
	opCreateQWordField = 0x8F
	opLNot             = 0x92
	opLEqual           = 0x93
	opIf               = 0xA0
	opElse             = 0xA1
	opReturn           = 0xA4
)

// method is Method(n, args) { ... }, not serialised.
func method(n string, args byte, body ...aml) aml {
	return append(aml{opMethod}, pkgLength(join(path(n), aml{args}, join(body...)))...)
}

func arg(n byte) aml   { return aml{opArg0 + n} }
func local(n byte) aml { return aml{opLocal0 + n} }

func store(from, to aml) aml      { return join(aml{opStore}, from, to) }
func and(a, b, to aml) aml        { return join(aml{opAnd}, a, b, to) }
func or(a, b, to aml) aml         { return join(aml{opOr}, a, b, to) }
func add(a, b, to aml) aml        { return join(aml{opAdd}, a, b, to) }
func subtract(a, b, to aml) aml   { return join(aml{opSubtract}, a, b, to) }
func shiftLeft(a, b, to aml) aml  { return join(aml{opShiftLeft}, a, b, to) }
func equal(a, b aml) aml          { return join(aml{opLEqual}, a, b) }
func not(a aml) aml               { return join(aml{opLNot}, a) }
func returns(v aml) aml           { return join(aml{opReturn}, v) }
func notify(object, code aml) aml { return join(aml{opNotify}, object, code) }

// dwordField is CreateDWordField(source, offset, n).
func dwordField(source aml, offset uint64, n string) aml {
	return join(aml{opCreateDWordField}, source, integer(offset), path(n))
}

// qwordField is CreateQWordField(source, offset, n).
func qwordField(source aml, offset uint64, n string) aml {
	return join(aml{opCreateQWordField}, source, integer(offset), path(n))
}

// when is If (condition) { ... }; otherwise, right behind it, is Else { ... }.
func when(condition aml, body ...aml) aml {
	return append(aml{opIf}, pkgLength(append(condition, join(body...)...))...)
}

func otherwise(body ...aml) aml { return append(aml{opElse}, pkgLength(join(body...))...) }
