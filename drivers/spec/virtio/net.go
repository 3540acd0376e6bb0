package virtio

// Network device feature bits beside those in regs.go, section 5.1.3.
const (
	NetFCSum        = 0
	NetFGuestCSum   = 1
	NetFGuestTSO4   = 7
	NetFGuestTSO6   = 8
	NetFGuestECN    = 9
	NetFHostTSO4    = 11
	NetFHostTSO6    = 12
	NetFHostECN     = 13
	NetFMrgRxBuf    = 15
	NetFCtrlVQ      = 17
	NetFCtrlRx      = 18
	NetFCtrlVLAN    = 19
	NetFMQ          = 22
	NetFCtrlMACAddr = 23
)

// Network device configuration, section 5.1.4.
const (
	NetCfgMaxPairs = 8 // 16 bits
	NetCfgSize     = 12
)

// struct virtio_net_hdr, section 5.1.6; NetHeaderNumBuffers is in regs.go.
const (
	NetHeaderFlags      = 0 // 8 bits
	NetHeaderGSOType    = 1 // 8 bits
	NetHeaderHdrLen     = 2 // 16 bits
	NetHeaderGSOSize    = 4 // 16 bits
	NetHeaderCSumStart  = 6 // 16 bits
	NetHeaderCSumOffset = 8 // 16 bits

	NetHdrFNeedsCSum = 1

	NetHdrGSONone  = 0
	NetHdrGSOTCPv4 = 1
	NetHdrGSOUDP   = 3
	NetHdrGSOTCPv6 = 4
	NetHdrGSOECN   = 0x80
)

// Control virtqueue, section 5.1.6.5: class, command, data; acknowledgement.
const (
	NetCtrlOK  = 0
	NetCtrlErr = 1

	NetCtrlRx         = 0
	NetCtrlRxPromisc  = 0 // 8 bits of data
	NetCtrlRxAllMulti = 1 // 8 bits of data

	NetCtrlMAC         = 1
	NetCtrlMACTableSet = 0
	NetCtrlMACAddrSet  = 1

	NetCtrlVLAN    = 2
	NetCtrlVLANAdd = 0 // 16 bits of data
	NetCtrlVLANDel = 1 // 16 bits of data

	NetCtrlMQ         = 4
	NetCtrlMQPairsSet = 0 // 16 bits of data
)
