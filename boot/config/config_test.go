package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, file, cmdline string
		change              func(*Settings)
		warnings            []string
	}{
		{"nothing", "", "", func(*Settings) {}, nil},
		{"file", "# ours\r\nhostname = node-1.example  # the first\n\nip=10.0.0.5/24,10.0.0.1,10.0.0.2,9.9.9.9\npassword = \"two words \\\" # \\\\\"\npanic=reboot\n", "",
			func(s *Settings) {
				s.Hostname = "node-1.example"
				s.IP = IP{Address: netip.MustParsePrefix("10.0.0.5/24"), Gateway: netip.MustParseAddr("10.0.0.1"),
					DNS: []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("9.9.9.9")}}
				s.Password = `two words " # \`
				s.Panic = Reboot
			}, nil},
		{"command line wins", "hostname=a\nloglevel=error", "  hostname=b loglevel=debug\tconsole=serial mitigations=off ",
			func(s *Settings) {
				s.Hostname, s.LogLevel, s.Console, s.Mitigations = "b", slog.LevelDebug, Serial, false
			}, nil},
		{"processors", "guestcpus=1-3,5", "", func(s *Settings) { s.GuestCPUs = 0b101110 }, nil},
		{"processors at the edge", "guestcpus=0,63-63", "", func(s *Settings) { s.GuestCPUs = 1<<63 | 1 }, nil},
		{"processors, back to auto", "guestcpus=1", "guestcpus=auto", func(*Settings) {}, nil},
		{"no processors", "guestcpus=64\nguestcpus=3-1\nguestcpus=1,\nguestcpus=-\nguestcpus=0-255", "", func(*Settings) {}, []string{
			"basalt.conf line 1: guestcpus: want auto or processors from 0 to 63, as in 1-3,5",
			"basalt.conf line 2: guestcpus: want auto or processors from 0 to 63, as in 1-3,5",
			"basalt.conf line 3: guestcpus: want auto or processors from 0 to 63, as in 1-3,5",
			"basalt.conf line 4: guestcpus: want auto or processors from 0 to 63, as in 1-3,5",
			"basalt.conf line 5: guestcpus: want auto or processors from 0 to 63, as in 1-3,5",
		}},
		{"back to dhcp", "ip=fd00::5/64,fd00::1", "ip=dhcp console=none", func(s *Settings) { s.Console = 0 }, nil},
		{"no gateway", "ip=10.0.0.5/24,,10.0.0.2", "", func(s *Settings) {
			s.IP = IP{Address: netip.MustParsePrefix("10.0.0.5/24"), DNS: []netip.Addr{netip.MustParseAddr("10.0.0.2")}}
		}, nil},
		{"bare value with blanks in a file", "password = a b=c", "", func(s *Settings) { s.Password = "a b=c" }, nil},
		{"quoted on the command line", "", `password="a b" panic=reboot`, func(s *Settings) { s.Password, s.Panic = "a b", Reboot }, nil},
		{"unknown", "colour=blue\nwhat\n[section]\n", "quiet splash=1 hostname=h", func(s *Settings) { s.Hostname = "h" }, []string{
			`basalt.conf line 1: unknown setting "colour": ignored`,
			`basalt.conf line 2: no = in it: ignored`,
			`basalt.conf line 3: no = in it: ignored`,
			`command line: unknown setting "quiet": ignored`,
			`command line: unknown setting "splash": ignored`,
		}},
		{"bad values", "hostname=-x\nip=10.0.0.5\nip=127.0.0.1/8\nip=10.0.0.5/24,fd00::1\npanic=no\nconsole=tty\nloglevel=7\npassword=\n", "mitigations=on",
			func(*Settings) {}, []string{
				"basalt.conf line 1: hostname: want labels of 1 to 63 characters that neither begin nor end with a hyphen",
				"basalt.conf line 2: ip: want dhcp or ADDRESS/BITS",
				"basalt.conf line 3: ip: 127.0.0.1 is no address for a host",
				"basalt.conf line 4: ip: the gateway is of the other address family",
				"basalt.conf line 5: panic: want halt or reboot",
				"basalt.conf line 6: console: want serial, screen, both with a comma, or none",
				"basalt.conf line 7: loglevel: want debug, info, warn or error",
				"basalt.conf line 8: password: want 1 to 1024 bytes",
				"command line: mitigations: want auto or off",
			}},
		{"open quotes", "password=\"a b\nhostname=x", `password="a b`, func(s *Settings) { s.Hostname = "x" }, []string{
			`basalt.conf line 1: "password": quotes do not fit: ignored`,
			`command line: "password": quote without end: ignored`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := Default()
			tt.change(&want)
			want.Warnings = tt.warnings
			if got := Parse([]byte(tt.file), []byte(tt.cmdline)); !reflect.DeepEqual(*got, want) {
				t.Errorf("\n got %+v %q\nwant %+v %q", *got, string(got.Password), want, string(want.Password))
			}
		})
	}
}

func TestBounds(t *testing.T) {
	s := Parse([]byte(strings.Repeat("x=1\n", MaxFile)), nil)
	if len(s.Warnings) != maxWarnings+1 || !strings.HasSuffix(s.Warnings[maxWarnings], "more warnings") {
		t.Errorf("%d warnings, the last %q", len(s.Warnings), s.Warnings[len(s.Warnings)-1])
	}
}

func TestSecretIsHidden(t *testing.T) {
	s := Parse([]byte("password=open-sesame"), nil)
	text, _ := s.Password.MarshalText()
	all := fmt.Sprintf("%v %+v %#v %s %v %s", *s, *s, *s, s.Password, s.Password.LogValue(), text)
	if strings.Contains(all, "sesame") {
		t.Error(all)
	}
}

// TestDocumentation keeps the users' page complete.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		// A bar inside a Markdown table is written \|.
		if want := fmt.Sprintf("`%s=%s`", k.name, strings.ReplaceAll(k.values, "|", `\|`)); !strings.Contains(string(page), want) {
			t.Errorf("docs/configuration.md does not have %s", want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("hostname=a\npassword=\"b\\\"\""), []byte("ip=10.0.0.5/24,10.0.0.1 panic=halt"))
	f.Add([]byte("\xef\xbb\xbf# x\n=\n=="), []byte(`a="`))
	f.Fuzz(func(t *testing.T, file, cmdline []byte) {
		s := Parse(file, cmdline)
		if s.Hostname == "" || len(s.Warnings) > maxWarnings+1 || !s.IP.DHCP && !s.IP.Address.IsValid() {
			t.Errorf("%+v", s)
		}
		for _, w := range s.Warnings {
			if strings.ContainsAny(w, "\n\r\x1b") {
				t.Errorf("control characters in warning %q", w)
			}
		}
	})
}
