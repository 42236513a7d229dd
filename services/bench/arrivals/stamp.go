package arrivals

import (
	"net"
	"time"
)

// NowReader reads from a connection with the time at which the read returned.
func NowReader(c net.Conn) func([]byte) (int, time.Time, error) {
	return func(buffer []byte) (int, time.Time, error) {
		n, err := c.Read(buffer)
		return n, time.Now(), err
	}
}
