package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/fanout-load/fanout/services/bench/arrivals"
)

// slowness says how long a target holds each request.
type slowness struct {
	least, most  time.Duration // each request between these, at random
	seed         uint64
	stall, every time.Duration // requests that come in the last stall of each every wait for its end; 0 is never
}

// args are the arguments for serve-slow.
func (s slowness) args() []string {
	return []string{
		"serve-slow", "-least", s.least.String(), "-most", s.most.String(), "-seed", fmt.Sprint(s.seed),
		"-stall", s.stall.String(), "-every", s.every.String(),
	}
}

// delay is how long a request is held that comes so long after the first.
func (s slowness) delay(since time.Duration, random *rand.Rand) time.Duration {
	delay := s.least
	if s.most > s.least {
		delay += time.Duration(random.Int64N(int64(s.most - s.least)))
	}
	if s.every > 0 {
		if at := since % s.every; at >= s.every-s.stall {
			delay = max(delay, s.every-at)
		}
	}
	return delay
}

// slowLog is what a slow target has seen, in no order.
type slowLog struct {
	MostOpen int // connections at once
	Requests []slowRequest
}

// slowRequest is when a request came and how long the target had it, from read to written.
type slowRequest struct {
	At   time.Time
	Took time.Duration
}

// slowTarget is an HTTP target that holds requests, one at a time on a connection, and logs exactly how long. It reads no more
// than the end of a head, and expects no bodies.
type slowTarget struct {
	slowness
	conns sync.WaitGroup

	mu    sync.Mutex
	first time.Time             // guarded by mu; when the first request came
	seed  uint64                // guarded by mu; of the next connection
	open  map[net.Conn]struct{} // guarded by mu
	log   slowLog               // guarded by mu
}

// serveSlow serves a slow target and writes its log.
func serveSlow(ctx context.Context, args []string, l *announcingListener) (func(io.Writer) error, error) {
	flags := flag.NewFlagSet("serve-slow", flag.ContinueOnError)
	var s slowness
	flags.DurationVar(&s.least, "least", 0, "least delay")
	flags.DurationVar(&s.most, "most", 0, "greatest delay")
	flags.Uint64Var(&s.seed, "seed", 1, "seed of the delays")
	flags.DurationVar(&s.stall, "stall", 0, "length of a stall")
	flags.DurationVar(&s.every, "every", 0, "time from stall to stall")
	if err := parse(flags, args); err != nil {
		return nil, err
	}
	t := &slowTarget{slowness: s, seed: s.seed, open: make(map[net.Conn]struct{})}
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		c, err := l.Accept()
		if err != nil {
			break // it was closed
		}
		t.enter(c)
	}
	t.close()
	return func(w io.Writer) error { return gob.NewEncoder(w).Encode(&t.log) }, nil
}

// readSlowLog reads what a slow target wrote at its end.
func readSlowLog(text []byte) (*slowLog, error) {
	log := &slowLog{}
	if err := gob.NewDecoder(bytes.NewReader(text)).Decode(log); err != nil {
		return nil, fmt.Errorf("reading the target's log: %w", err)
	}
	return log, nil
}

// enter serves a connection.
func (t *slowTarget) enter(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[c] = struct{}{}
	t.log.MostOpen = max(t.log.MostOpen, len(t.open))
	t.seed++
	random := rand.New(rand.NewPCG(t.seed, 0))
	t.conns.Go(func() { t.serve(c, random) })
}

// close ends all connections; after it the log is complete. No connection enters any more.
func (t *slowTarget) close() {
	t.mu.Lock()
	for c := range t.open {
		_ = c.Close() // its reader notices
	}
	t.mu.Unlock()
	t.conns.Wait()
}

// serve answers a connection's requests, and logs them at its end: no lock is taken while they go on.
func (t *slowTarget) serve(c net.Conn, random *rand.Rand) {
	var (
		requests []slowRequest
		first    time.Time
	)
	// Our own requests are shorter than the buffer.
	arrivals.EachRequest(arrivals.NowReader(c), make([]byte, 1<<10), func(at time.Time) error {
		if first.IsZero() {
			first = t.firstRequest(at)
		}
		time.Sleep(t.delay(at.Sub(first), random)) // the process's end is the bound
		if _, err := io.WriteString(c, arrivals.Answer); err != nil {
			return err
		}
		requests = append(requests, slowRequest{at, time.Since(at)})
		return nil
	})
	_ = c.Close() // all that was of use has been read
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.Requests = append(t.log.Requests, requests...)
	delete(t.open, c)
}

// firstRequest is when the target's first request came.
func (t *slowTarget) firstRequest(at time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first.IsZero() {
		t.first = at
	}
	return t.first
}
