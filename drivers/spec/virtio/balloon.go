package virtio

// Memory balloon device, section 5.5.
const (
	BalloonFMustTellHost = 0
	BalloonFStatsVQ      = 1
	BalloonFDeflateOnOOM = 2
	BalloonFReporting    = 5

	BalloonQueueInflate = 0
	BalloonQueueDeflate = 1
	BalloonQueueStats   = 2
	// free_page_vq and reporting_vq.
	BalloonQueueHint      = 3
	BalloonQueueReporting = 4

	// Configuration, section 5.5.4. Pages are 4096 bytes.
	BalloonNumPages = 0x0 // 32 bits
	BalloonActual   = 0x4 // 32 bits
	BalloonCfgSize  = 0x8

	BalloonPage    = 4096
	BalloonPFNSize = 4

	// A statistic, section 5.5.6.2: tag and value.
	BalloonStatTag   = 0 // 16 bits
	BalloonStatValue = 2 // 64 bits
	BalloonStatSize  = 10

	BalloonStatSwapIn     = 0 // bytes
	BalloonStatSwapOut    = 1 // bytes
	BalloonStatMajorFault = 2
	BalloonStatMinorFault = 3
	BalloonStatFree       = 4 // bytes
	BalloonStatTotal      = 5 // bytes
	BalloonStatAvailable  = 6 // bytes
	BalloonStatCaches     = 7 // bytes
	BalloonStatHugeAlloc  = 8
	BalloonStatHugeFail   = 9
	BalloonNumStats       = 10
)
