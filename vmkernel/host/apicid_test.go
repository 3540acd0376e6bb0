package host

import (
	"errors"
	"strings"
	"testing"
)

func TestAPICIDs(t *testing.T) {
	for name, c := range map[string]struct {
		conf  Config
		last  int
		wrong string
	}{
		"as ever":                {Config{CPUs: 64}, 63, ""},
		"one":                    {Config{CPUs: 64, APICIDStep: 1}, 63, ""},
		"spread":                 {Config{CPUs: 4, APICIDStep: 128}, 384, ""},
		"to the last":            {Config{CPUs: 64, APICIDStep: 512}, 32256, ""},
		"beyond":                 {Config{CPUs: 64, APICIDStep: 1024}, 0, "the last of 64 CPUs would have an APIC ID over 32767"},
		"two":                    {Config{CPUs: 2, APICIDStep: 16384}, 16384, ""},
		"those that come":        {Config{CPUs: 2, MaxCPUs: 3, APICIDStep: 16384}, 0, "the last of 3 CPUs"},
		"alone":                  {Config{CPUs: 1, APICIDStep: 16384}, 0, ""},
		"alone, too far":         {Config{CPUs: 1, APICIDStep: 1 << 40}, 0, "at most 16384"},
		"far":                    {Config{CPUs: 2, APICIDStep: 1 << 62}, 0, "over 32767"},
		"no power of two":        {Config{CPUs: 2, APICIDStep: 3}, 0, "a power of two"},
		"negative":               {Config{CPUs: 2, APICIDStep: -2}, 0, "a power of two"},
		"most negative":          {Config{CPUs: 2, APICIDStep: -1 << 63}, 0, "a power of two"},
		"xAPIC":                  {Config{CPUs: 4, APICIDStep: 64, XAPICOnly: true}, 192, ""},
		"xAPIC, wide":            {Config{CPUs: 5, APICIDStep: 64, XAPICOnly: true}, 0, "over 254, the highest without x2APIC mode"},
		"xAPIC, one that comes":  {Config{CPUs: 1, MaxCPUs: 5, APICIDStep: 64, XAPICOnly: true}, 0, "over 254"},
		"so many that it wraps":  {Config{CPUs: 1 << 60, APICIDStep: 1 << 14}, 0, "over 32767"},
		"nothing at all is fine": {Config{}, -1, ""},
	} {
		err := c.conf.CheckDevices()
		var bad *ConfigError
		switch {
		case c.wrong == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.wrong != "" && (!errors.As(err, &bad) || bad.Field != "apicIDStep" || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%s: %v", name, err)
		case c.wrong == "" && c.conf.LastAPICID() != c.last:
			t.Errorf("%s: the last is %d, want %d", name, c.conf.LastAPICID(), c.last)
		}
	}
}
