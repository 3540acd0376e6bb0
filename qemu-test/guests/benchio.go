package guests

// enableAPIC turns x2APIC mode on, where EOI is an MSR, and keeps out what a
// firmware's timer sends through the PIC.
func (p *Program) enableAPIC() {
	p.Mov(EAX, 0xFF)
	p.OutB(0x21)
	p.OutB(0xA1)
	p.Mov(ECX, msrAPICBase)
	p.Op("rdmsr")
	p.OrImm(EAX, 0xC00)
	p.Op("wrmsr")
	p.wrmsr(msrSVR, 0x1FF)
	p.wrmsr(msrTPR, 0)
}

const ioRounds = 500

// benchBlk times reads of 4 KiB from a virtio block device, one at a time: from the
// doorbell over the guest's sleep to its interrupt. Rows whose doorbell is missing are
// left out.
func benchBlk(p *Program) { blk(p, false) }

// blk is benchBlk, or with forever the requests of its last row without an end.
func blk(p *Program, forever bool) {
	const header, status, data = buffersAt, buffersAt + 16, buffersAt + 4096
	desc, avail, _ := ringAt(0)
	p.On(vecVirtio, "virtio.irq")
	p.enableAPIC()
	p.Print("bench begin\n")
	p.virtioFind(blkDevice, "blk.none")
	for i, d := range [][3]uint32{{header, 16, 1<<16 | 1}, {data, 4096, 2<<16 | 3}, {status, 1, 2}} {
		at := desc + 16*uint32(i)
		p.storeAbs(at, d[0])
		p.storeAbs(at+4, 0)
		p.storeAbs(at+8, d[1])
		p.storeAbs(at+12, d[2]) // flags, next
	}
	for i := range uint32(4) {
		p.storeAbs(header+4*i, 0) // IN, sector 0
	}
	p.virtioQueue(0, 0)
	p.virtioReady()
	request := func(ring func(uint32)) func() {
		return func() {
			p.incWord(avail + 2) // of the chain with head 0, as all entries are
			ring(0)
			p.sleepUntil(0, 0)
		}
	}
	p.storeAbs(status, 0xFF)
	p.Repeat(20, request(p.ringMemory)) // what is made on the first request
	p.timed("blk_mmio", ioRounds, request(p.ringMemory))
	p.LoadAt(EAX, "vio.port")
	p.Test(EAX, EAX)
	p.If(Equal, "blk.check")
	if forever {
		loop(func(p *Program) { request(p.ringPort)() })(p)
	}
	p.timed("blk_port", ioRounds, request(p.ringPort))
	p.Label("blk.check")
	p.LoadAbs(EAX, status)
	p.AndImm(EAX, 0xFF)
	p.If(Equal, "blk.end")
	p.Print("error ")
	p.PrintDec()
	p.Print("\n")
	p.Jmp("blk.end")
	p.Label("blk.none")
	p.Print("no device\n")
	p.Label("blk.end")
	p.Print("bench end\n")
	p.Done()
	p.virtioLib()
}

// The addresses of the echo: the guest asks its gateway.
var (
	guestMAC = []byte{0x52, 0x54, 0, 0, 0, 1}
	guestIP  = []byte{192, 168, 99, 15}
	peerIP   = []byte{192, 168, 99, 1}
)

// netHeader is struct virtio_net_hdr_v1 without offloads.
const netHeader = 12

// arpRequest is a frame that asks for the gateway's address (RFC 826).
func arpRequest() []byte {
	f := append([]byte{255, 255, 255, 255, 255, 255}, guestMAC...)
	f = append(f, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	f = append(append(f, guestMAC...), guestIP...)
	f = append(append(f, 0, 0, 0, 0, 0, 0), peerIP...)
	return append(f, make([]byte, 60-len(f))...)
}

// echoRequest is an ICMP echo request (RFC 792) of 60 bytes to nobody's address.
func echoRequest() []byte {
	f := append(make([]byte, 6), guestMAC...)
	f = append(f, 8, 0)
	ip := append([]byte{0x45, 0, 0, 46, 0, 1, 0, 0, 64, 1, 0, 0}, append(guestIP[:4:4], peerIP...)...)
	sum(ip, 10)
	icmp := make([]byte, 26)
	icmp[0], icmp[5], icmp[7] = 8, 1, 1
	sum(icmp, 2)
	return append(append(f, ip...), icmp...)
}

// sum puts the Internet checksum (RFC 1071) at off.
func sum(b []byte, off int) {
	s := uint32(0)
	for i := 0; i < len(b); i += 2 {
		s += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for s>>16 != 0 {
		s = s&0xFFFF + s>>16
	}
	b[off], b[off+1] = byte(^s>>8), byte(^s)
}

// benchNet times small packets through a virtio network device: an ICMP echo request
// to the gateway until the reply was received, one at a time.
func benchNet(p *Program) { echo(p, false) }

// echo is benchNet, or with forever the packets of its last row without an end.
func echo(p *Program, forever bool) {
	const arp, ping, receive = buffersAt, buffersAt + 0x100, buffersAt + 0x1000
	p.On(vecVirtio, "virtio.irq")
	p.enableAPIC()
	p.Print("bench begin\n")
	p.virtioFind(netDevice, "net.none")
	put := func(at uint32, b []byte) {
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		for i := 0; i < len(b); i += 4 {
			p.storeAbs(at+uint32(i), uint32(b[i])|uint32(b[i+1])<<8|uint32(b[i+2])<<16|uint32(b[i+3])<<24)
		}
	}
	put(arp, append(make([]byte, netHeader), arpRequest()...))
	put(ping, append(make([]byte, netHeader), echoRequest()...))
	rx, rxAvail, rxUsed := ringAt(0)
	tx, txAvail, _ := ringAt(1)
	for i := range uint32(ioRing) {
		for _, d := range [][4]uint32{{rx, receive + 2048*i, 2048, 2}, {tx, ping, netHeader + 60, 0}} {
			at := d[0] + 16*i
			p.storeAbs(at, d[1])
			p.storeAbs(at+4, 0)
			p.storeAbs(at+8, d[2])
			p.storeAbs(at+12, d[3])
		}
		if i%2 == 0 {
			p.storeAbs(rxAvail+4+2*i, (i+1)<<16|i)
			p.storeAbs(txAvail+4+2*i, (i+1)<<16|i)
		}
	}
	p.storeAbs(tx, arp)
	p.storeAbs(rxAvail, ioRing<<16)
	p.storeAbs(txAvail, 1) // no interrupts
	p.virtioQueue(0, 0)
	p.virtioQueue(1, notifyNone)
	p.virtioReady()
	p.ringMemory(0)

	packet := func(ring func(uint32)) func() {
		return func() {
			p.incWord(txAvail + 2)
			ring(1)
			p.sleepUntil(0, ioRing-1)
			p.incWord(rxAvail + 2) // the buffer again
		}
	}
	packet(p.ringMemory)() // the gateway's address
	p.storeAbs(tx, ping)
	p.LoadAbs(EAX, receive+netHeader+6)
	p.StoreAbs(ping+netHeader, EAX)
	p.loadWord(EAX, receive+netHeader+10)
	p.Bytes(0x66, 0xA3) // mov [addr], ax
	p.U32(ping + netHeader + 4)
	p.Repeat(20, packet(p.ringMemory))
	p.timed("net_mmio", ioRounds, packet(p.ringMemory))
	p.LoadAt(EAX, "vio.port")
	p.Test(EAX, EAX)
	p.If(Equal, "net.check")
	if forever {
		loop(func(p *Program) { packet(p.ringPort)() })(p)
	}
	p.timed("net_port", ioRounds, packet(p.ringPort))
	p.Label("net.check")
	// The type in the last buffer must be that of an echo reply, 0.
	p.loadWord(EAX, rxUsed+2)
	p.Dec(EAX)
	p.AndImm(EAX, ioRing-1)
	p.Shl(EAX, 11)
	p.AddImm(EAX, receive+netHeader+14+20)
	p.LoadByte(EAX, EAX)
	p.Test(EAX, EAX)
	p.If(Equal, "net.end")
	p.Print("error ")
	p.PrintDec()
	p.Print("\n")
	p.Jmp("net.end")
	p.Label("net.none")
	p.Print("no device\n")
	p.Label("net.end")
	p.Print("bench end\n")
	p.Done()
	p.virtioLib()
}
