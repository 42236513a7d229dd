package e2e

import (
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"
)

// ports are below those that the system gives to outgoing connections, so that none of these takes the port of a service
// that is down for a moment.
var ports struct {
	sync.Mutex
	taken map[int]bool
}

func fixedAddress(t *testing.T) string {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.taken == nil {
		ports.taken = make(map[int]bool)
	}
	for range 1000 {
		port := 12_000 + rand.N(20_000)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if ports.taken[port] {
			continue
		}
		ports.taken[port] = true
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// eventually waits until it is so.
func eventually(t *testing.T, within time.Duration, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for !so() {
		select {
		case <-ctx.Done():
			t.Fatalf("after %v it is not so that %s", within, what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
