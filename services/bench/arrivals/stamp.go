package arrivals

import (
	"net"
	"time"
)

// nowReader reads from a connection with the time at which the read returned.
func nowReader(c *net.TCPConn) func([]byte) (int, time.Time, error) {
	return func(buffer []byte) (int, time.Time, error) {
		n, err := c.Read(buffer)
		return n, time.Now(), err
	}
}
