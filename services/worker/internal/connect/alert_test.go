package connect

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

// A target that refuses the client under TLS 1.3 has said why, and hung up, before the first write: which fails with the reason,
// and not with the reset that it meets.
func TestWriteSaysWhyTheTargetHungUp(t *testing.T) {
	t.Parallel()
	names := certificates(t, "a.example")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	hungUp := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = tls.Server(c, names.ServeAlert()).Handshake()
			_ = c.Close()
		}
		hungUp <- err
	}()
	c := connector(t, plan.HTTPOptions{TLS: plan.TLSOptions{CAPEM: string(names.CAPEM)}}, toLoopback())
	_, port, _ := net.SplitHostPort(l.Addr().String())
	conn, _, failure := c.Open(t.Context(), Origin{"https", net.JoinHostPort("a.example", port)}, nil)
	if failure != nil {
		t.Fatal(failure.Err)
	}
	defer conn.Close()
	if err := <-hungUp; err == nil {
		t.Fatal("the target has taken the client, want it refused")
	}
	for begin := time.Now(); err == nil && time.Since(begin) < 10*time.Second; time.Sleep(time.Millisecond) {
		_, err = conn.Write([]byte("x")) // the first one meets no error yet, and is answered by the reset
	}
	if !errclass.IsAlert(err) {
		t.Errorf("Write() = %v, want the target's alert", err)
	}
}
