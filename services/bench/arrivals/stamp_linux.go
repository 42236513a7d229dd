package arrivals

import (
	"encoding/binary"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// stampedReader reads from a connection with the time at which the last byte read came in, by the kernel's clock.
func stampedReader(c *net.TCPConn) func([]byte) (int, time.Time, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return NowReader(c)
	}
	var fault error
	if err := raw.Control(func(fd uintptr) { fault = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) }); err != nil || fault != nil {
		return NowReader(c)
	}
	control := make([]byte, 128)
	return func(buffer []byte) (n int, at time.Time, err error) {
		var controls int
		waitErr := raw.Read(func(fd uintptr) bool {
			n, controls, _, _, err = unix.Recvmsg(int(fd), buffer, control, 0)
			return err != unix.EAGAIN && err != unix.EINTR
		})
		switch {
		case waitErr != nil:
			return 0, time.Time{}, waitErr
		case err != nil:
			return 0, time.Time{}, err
		case n == 0:
			return 0, time.Time{}, io.EOF
		}
		return n, stamp(control[:controls]), nil
	}
}

// stamp is the kernel's time in a control message, or the time of now: a connection's first packet may have come before it
// was asked for stamps.
func stamp(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		// A struct timespec of 64 bits each; a system of 32 bits has no figures to give here.
		if m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			seconds, nanos := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			return time.Unix(int64(seconds), int64(nanos))
		}
	}
	return time.Now()
}
