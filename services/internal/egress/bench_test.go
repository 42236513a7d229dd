package egress

import (
	"net"
	"testing"
)

// BenchmarkDial is what a dial of an address costs, policy and all: this machine's listener is in the same process.
func BenchmarkDial(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1)) // until the other side has closed it
			_ = c.Close()
		}
	}()
	callers, err := ParsePolicy([]string{"example.internal", "10.0.0.0/8", "127.0.0.0/8:1-65535"})
	if err != nil {
		b.Fatal(err)
	}
	for name, policy := range map[string]*Policy{"worker": nil, "caller": &callers} {
		b.Run(name, func(b *testing.B) {
			var d Dialer
			b.ReportAllocs()
			for b.Loop() {
				c, _, err := d.Dial(b.Context(), l.Addr().String(), policy)
				if err != nil {
					b.Fatal(err)
				}
				_ = c.(*net.TCPConn).SetLinger(0)
				_ = c.Close()
			}
		})
	}
}
