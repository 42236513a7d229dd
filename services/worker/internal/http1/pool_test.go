package http1

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/connect"
)

// closing is a connection that knows whether it was closed.
type closing struct {
	net.Conn
	times atomic.Int32
}

func (c *closing) Close() error {
	c.times.Add(1)
	return nil
}

func (c *closing) closed() int { return int(c.times.Load()) }

// idling is a connection that lives for all that anybody can tell, with what knows whether it was closed.
func idling() (*conn, *closing) {
	c := &closing{}
	return heldConn(c), c
}

func keyOf(address string) key {
	return key{origin: connect.Origin{Scheme: "http", Address: address}}
}

func TestPoolKeepsConnectionsForAsLongAsItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pool
		defer p.Close()
		one, first := idling()
		p.put(keyOf("a"), one)
		time.Sleep(keepIdle / 2)
		two, second := idling()
		p.put(keyOf("b"), two)
		time.Sleep(keepIdle/2 - 1)
		synctest.Wait()
		if first.closed()+second.closed() != 0 {
			t.Fatalf("closed before %v: %d and %d times", keepIdle, first.closed(), second.closed())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if first.closed() != 1 || second.closed() != 0 || p.take(keyOf("a"), 0) != nil {
			t.Fatalf("after %v: closed %d and %d times, want the first", keepIdle, first.closed(), second.closed())
		}
		time.Sleep(keepIdle / 2)
		synctest.Wait()
		if second.closed() != 1 || p.sweep != nil {
			t.Fatalf("after %v more: the second is closed %d times, and the sweep is %v, want once and none", keepIdle/2, second.closed(), p.sweep)
		}
		again, third := idling() // the sweep begins anew
		p.put(keyOf("a"), again)
		time.Sleep(keepIdle)
		synctest.Wait()
		if third.closed() != 1 {
			t.Errorf("the third is closed %d times, want once", third.closed())
		}
	})
}

// One that is taken in time is nobody's to close, and begins anew when it is put back.
func TestPoolGivesConnectionsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pool
		defer p.Close()
		for range 5 {
			c, fake := idling()
			p.put(keyOf("a"), c)
			time.Sleep(keepIdle - 1)
			if got := p.take(keyOf("a"), 0); got != c {
				t.Fatalf("take() = %p, want %p", got, c)
			}
			time.Sleep(keepIdle)
			synctest.Wait()
			if fake.closed() != 0 {
				t.Fatal("a connection was closed after it had been taken")
			}
		}
	})
}

func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	var p Pool
	fakes := make([]*closing, maxIdle+10)
	for i := range fakes {
		var c *conn
		c, fakes[i] = idling()
		p.put(keyOf("a"), c)
	}
	for i, fake := range fakes {
		if want := max(0, 1-i/10); fake.closed() != want {
			t.Fatalf("connection %d was closed %d times, want %d: the oldest go", i, fake.closed(), want)
		}
	}
	p.Close()
	p.Close()
	for i, fake := range fakes {
		if fake.closed() != 1 {
			t.Fatalf("connection %d was closed %d times after Close, want once", i, fake.closed())
		}
	}
	c, late := idling()
	if p.put(keyOf("a"), c); late.closed() != 1 || p.take(keyOf("a"), 0) != nil || p.sweep != nil {
		t.Error("a closed pool keeps a connection")
	}
}

func TestPoolKeepsApartWhatCallsTrust(t *testing.T) {
	t.Parallel()
	var p *Pool
	if p.take(keyOf("a"), 0) != nil {
		t.Error("no pool has a connection")
	}
	p = &Pool{}
	defer p.Close()
	origin := keyOf("a").origin
	keys := []key{
		{"", origin, plan.TLSOptions{}},
		{"", origin, plan.TLSOptions{InsecureSkipVerify: true}},
		{"", origin, plan.TLSOptions{ServerName: "x"}},
		{"", origin, plan.TLSOptions{CAPEM: "x"}},
		{"", connect.Origin{Scheme: "https", Address: "a"}, plan.TLSOptions{}},
		{"", connect.Origin{Scheme: "http", Address: "b"}, plan.TLSOptions{}},
		{"ann", origin, plan.TLSOptions{}},
	}
	made := map[key][2]*conn{}
	for _, k := range keys {
		one, _ := idling()
		two, _ := idling()
		p.put(k, one)
		p.put(k, two)
		made[k] = [2]*conn{one, two}
	}
	for _, k := range keys {
		// The last one put comes first: it is the one most likely to live.
		if one, two := p.take(k, 0), p.take(k, 0); one != made[k][1] || two != made[k][0] || p.take(k, 0) != nil {
			t.Errorf("take(%+v) is not what was put there, last first", k)
		}
	}
}

func TestIdleConnectionsOfACallAreBounded(t *testing.T) {
	t.Parallel()
	var p idle
	for i := range maxIdle + 10 {
		c, fake := idling()
		c.origin.Address = string(rune('a' + i%26))
		if p.put(c); fake.closed() != i/maxIdle {
			t.Fatalf("connection %d was closed %d times", i, fake.closed())
		}
	}
	c := p.take(connect.Origin{Scheme: "http", Address: "b"})
	if c == nil || c.origin.Address != "b" || p.take(connect.Origin{Scheme: "https", Address: "b"}) != nil {
		t.Errorf("take() = %+v, want one to b", c)
	}
	if all := p.empty(); len(all) != maxIdle-1 || p.count != 0 || p.take(connect.Origin{Scheme: "http", Address: "b"}) != nil {
		t.Errorf("empty() gave %d away, and %d are counted, want %d and none", len(all), p.count, maxIdle-1)
	}
}
