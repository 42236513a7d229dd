//go:build !linux

package http1

import (
	"net"
	"os"
)

// raw is a TCP connection's descriptor, which only Linux's version uses.
type raw struct{}

func newRaw(net.Conn) (raw, bool) { return raw{}, false }

func (*raw) converse(_, _ []byte) (int, []byte, error) {
	panic("http1: no raw connections on this system")
}

// tryRead cannot look: a connection that has ended is then found by the next request.
func (*raw) tryRead([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }
