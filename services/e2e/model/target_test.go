package model

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// target answers HTTP on connections in memory, and has a ledger.
type target struct {
	world *world
	dice  *dice
}

// dial is how a process connects to the target.
func (t *target) dial(ctx context.Context, p *process) (net.Conn, error) {
	w := t.world
	if !w.pause(t.dice.span(0, 3*time.Millisecond), ctx.Done()) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: context.Cause(ctx)}
	}
	if w.ledger.isDead(p) || t.dice.chance(w.scenario.trouble/4) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	client, server := net.Pipe()
	w.spawn(func() { t.serve(p, server) })
	return client, nil
}

// serve answers the requests of one connection.
func (t *target) serve(p *process, conn net.Conn) {
	defer func() { _ = conn.Close() }() // a pipe's never fails
	reader := bufio.NewReaderSize(conn, 512)
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		slot, err := strconv.ParseInt(request.Header.Get("X-Fanout-Slot"), 10, 64)
		if id := request.Header.Get("X-Fanout-Run"); err != nil || id != t.world.run() {
			t.world.wrongs.add("I11", "a request of run %q came with slot %q", id, request.Header.Get("X-Fanout-Slot"))
			return
		}
		if !t.world.ledger.record(p, slot) || !t.answer(conn, reader) || request.Close {
			return
		}
	}
}

// answer answers a request, and reports whether another may follow.
func (t *target) answer(conn net.Conn, reader *bufio.Reader) bool {
	s := t.world.scenario
	wait := t.dice.span(s.service/2, s.service*3/2)
	if !t.dice.chance(s.trouble) {
		return t.world.pause(wait, nil) && say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
	switch kind := t.dice.roll(); {
	case kind < 0.2: // long, maybe beyond its timeout
		wait = t.dice.span(s.timeout/2, s.timeout*5/4)
		return t.world.pause(wait, nil) && say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	case kind < 0.4:
		return t.world.pause(wait, nil) && say(conn, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
	case kind < 0.6: // hangs up
		t.world.pause(wait, nil)
	case kind < 0.7: // never answers
		_, _ = reader.ReadByte() // until the connection ends
	case kind < 0.85:
		say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ncut")
	default:
		say(conn, "nonsense\r\n\r\n")
	}
	return false
}

func say(conn net.Conn, text string) bool {
	_, err := fmt.Fprint(conn, text)
	return err == nil
}
