package target

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// OracleConfig is what an oracle is told at its start. The zero value is a plain HTTP server on a free port of 127.0.0.1.
type OracleConfig struct {
	// Addr is where it listens, as host:port. Empty: 127.0.0.1:0, a free port.
	Addr string

	// TLS makes it speak TLS. Nil: plain text. It speaks HTTP/1 only, whatever the configuration's NextProtos say.
	TLS *tls.Config

	// OnAccept says what happens to the connection with this number (from 1, in the order of accepting). It is called by
	// the one goroutine that accepts, so it must not block. Nil: AcceptServe for all.
	OnAccept func(conn int64) AcceptAction

	// OnRequest returns the path, with query, whose script is performed for a request instead of its own path's: so the
	// script can depend on the slot, the connection or the request's number on it. It is called after the request was
	// recorded, by many goroutines at a time. The ledger keeps the request's own path. Requests to /ledger and requests
	// whose fate an earlier …-on-next script has settled are not asked about. Nil: the request's own path.
	OnRequest func(Seen) string
}

// Oracle is a server that keeps a ledger of what it read and misbehaves by script. [StartOracle] makes it, Close ends it;
// its methods are safe for concurrent use.
//
// One goroutine accepts and each connection has one, which reads a request, records it, performs the script of its path
// and goes on while the script says so. Whatever a goroutine waits for ends when its connection is closed; that is how
// Close ends all of them, and why it can wait.
type Oracle struct {
	config   OracleConfig
	listener *net.TCPListener
	ledger   *Ledger
	closing  chan struct{} // closed by Close
	running  sync.WaitGroup

	mu       sync.Mutex // guards the rest
	turn     sync.Cond  // on mu: paused, parked or closed has changed
	paused   bool       // StopAccepting was called
	parked   bool       // the accepting goroutine has noticed, and accepts nothing
	closed   bool
	accepted int64
	conns    map[*net.TCPConn]struct{} // all that are open
}

// StartOracle starts an oracle. The caller closes it.
func StartOracle(config OracleConfig) (*Oracle, error) {
	if config.Addr == "" {
		config.Addr = "127.0.0.1:0"
	}
	// Keep-alive probes would cost four system calls a connection and find nothing on a loopback.
	listen := net.ListenConfig{KeepAlive: -1}
	// What a reset or a close looks like to the peer must be TCP's own doing, not Multipath TCP's.
	listen.SetMultipathTCP(false)
	l, err := listen.Listen(context.Background(), "tcp", config.Addr)
	if err != nil {
		return nil, fmt.Errorf("starting the oracle: %w", err)
	}
	o := &Oracle{
		config:   config,
		listener: l.(*net.TCPListener), // what "tcp" gives
		ledger:   newLedger(),
		closing:  make(chan struct{}),
		conns:    make(map[*net.TCPConn]struct{}),
	}
	o.turn.L = &o.mu
	o.running.Go(o.acceptAll)
	return o, nil
}

// Addr returns where it listens, as host:port.
func (o *Oracle) Addr() string { return o.listener.Addr().String() }

// URL returns its address with http:// or https:// before it, without a path and without a slash at the end.
func (o *Oracle) URL() string {
	if o.config.TLS != nil {
		return "https://" + o.Addr()
	}
	return "http://" + o.Addr()
}

// Ledger returns the ledger, which may be read while the oracle runs and after it was closed.
func (o *Oracle) Ledger() *Ledger { return o.ledger }

// Connections returns how many connections were accepted, whatever was done to them then.
func (o *Oracle) Connections() (accepted int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.accepted
}

// StopAccepting leaves new connections in the system's backlog: their peers see them established, then silence. When it
// has returned, nothing is accepted until ResumeAccepting. Connections accepted before are served on.
func (o *Oracle) StopAccepting() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.paused = true
	_ = o.listener.SetDeadline(time.Unix(1, 0)) // wakes Accept; it fails only on a closed listener
	for o.paused && !o.parked && !o.closed {
		o.turn.Wait()
	}
}

// ResumeAccepting accepts again, first what has waited in the backlog.
func (o *Oracle) ResumeAccepting() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.paused = false
	_ = o.listener.SetDeadline(time.Time{}) // fails only on a closed listener
	o.turn.Broadcast()
}

// Close closes the listener and all connections and waits until nothing of the oracle runs any more. Further calls wait
// too and return nil.
func (o *Oracle) Close() error {
	defer o.running.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	o.closed = true
	close(o.closing)
	o.turn.Broadcast()
	err := o.listener.Close()
	for tcp := range o.conns {
		_ = tcp.Close() // its goroutine may have been faster
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("closing the oracle: %w", err)
	}
	return nil
}

// pause waits that long and reports whether it did: not when the oracle closes before.
func (o *Oracle) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-o.closing:
		return false
	}
}

// track takes a connection into those that Close closes and numbers it, or reports false when it is too late.
func (o *Oracle) track(tcp *net.TCPConn) (number int64, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, false
	}
	o.accepted++
	o.conns[tcp] = struct{}{}
	return o.accepted, true
}

func (o *Oracle) untrack(tcp *net.TCPConn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.conns, tcp)
}
