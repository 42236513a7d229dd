package enginetest

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/target"
)

// sendAll sends the slots with so many senders at once, each the next that is not sent, as requestOf says; nil: the first.
func sendAll(t *testing.T, c *client, senders int, slots int64, requestOf func(slot int64) int32) []outcome.Outcome {
	t.Helper()
	outcomes := make([]outcome.Outcome, slots)
	var next atomic.Int64
	var running sync.WaitGroup
	for range senders {
		running.Go(func() {
			s := c.Sender()
			defer s.Close()
			for slot := next.Add(1) - 1; slot < slots; slot = next.Add(1) - 1 {
				o := &outcomes[slot]
				if o.Slot = slot; requestOf != nil {
					o.Request = requestOf(slot)
				}
				s.Send(t.Context(), o)
			}
		})
	}
	running.Wait()
	return outcomes
}

// scriptOf is the script for a slot, in turn.
func scriptOf(scripts []string) func(target.Seen) string {
	return func(seen target.Seen) string {
		if strings.HasPrefix(seen.Path, "/redirect/0") {
			return seen.Path // a hop that the script itself leads to
		}
		slot, _ := strconv.Atoi(seen.Slot)
		return scripts[slot%len(scripts)]
	}
}

// Many origins in one call: every request reaches the one it is for, on as many connections as there are senders at most.
func TestManyOrigins(t *testing.T) { onEach(t, testManyOrigins) }

func testManyOrigins(t *testing.T, e engine) {
	t.Parallel()
	const origins, senders, each = 50, 4, 20
	var p *plan.Plan
	oracles := make([]*target.Oracle, origins)
	for i := range oracles {
		oracles[i] = startOracle(t, target.OracleConfig{})
		one := planFor(oracles[i].URL() + "/echo?origin=" + strconv.Itoa(i))
		if p == nil {
			p = one
			continue
		}
		p.Requests = append(p.Requests, one.Requests...)
	}
	outcomes := sendAll(t, e.newClient(t, p, nil), senders, origins*each, func(slot int64) int32 { return int32(slot % origins) })
	opened := make([]int64, origins)
	for _, one := range outcomes {
		i := one.Slot % origins
		if one.Error != outcome.NoError || !strings.HasPrefix(string(one.Body.Bytes), fmt.Sprintf("GET /echo?origin=%d\n", i)) {
			t.Errorf("slot %d = %v (%s), %+v, want the answer of origin %d", one.Slot, one.Error, one.Message, one.Body, i)
		}
		if one.Connection != nil {
			opened[i]++
			if one.Connection.Peer != oracles[i].Addr() {
				t.Errorf("slot %d opened a connection to %s, want %s", one.Slot, one.Connection.Peer, oracles[i].Addr())
			}
		}
	}
	for i, o := range oracles {
		if o.Connections() != opened[i] || opened[i] > senders || o.Ledger().Total() != each {
			t.Errorf("origin %d saw %d requests on %d connections, want %d on the %d that slots opened", i, o.Ledger().Total(), o.Connections(), each, opened[i])
		}
		if key, n := o.Ledger().MaxPerSlot(); n != 1 {
			t.Errorf("origin %d saw %s %d times", i, key, n)
		}
	}
}

// Connections that end whenever they like, under many senders: no request is seen twice, each ends as a response or as
// CONN_CLOSED_IDLE, and the target has seen every one that has a response.
func TestKeepAliveRacesAtVolume(t *testing.T) { onEach(t, testKeepAliveRacesAtVolume) }

func testKeepAliveRacesAtVolume(t *testing.T, e engine) {
	t.Parallel()
	const senders = 16
	slots := int64(3000)
	if testing.Short() {
		slots = 600
	}
	scripts := []string{"/ok", "/close", "/ok", "/close-on-next", "/close-announced", "/ok", "/reset-on-next", "/close", "/bytes/3000", "/chunked/3"}
	o := startOracle(t, target.OracleConfig{OnRequest: scriptOf(scripts)})
	p := planFor(o.URL() + "/races")
	p.Requests[0].Timeout = 10 * time.Second
	var responses, idle int64
	for _, one := range sendAll(t, e.newClient(t, p, nil), senders, slots, nil) {
		switch {
		case one.Error == outcome.NoError && one.Status == 200:
			responses++
		case one.Error == outcome.ConnClosedIdle && one.Status == 0 && one.Connection == nil:
			idle++
		default:
			t.Errorf("slot %d = status %d, %v (%s), want a response or CONN_CLOSED_IDLE", one.Slot, one.Status, one.Error, one.Message)
		}
	}
	key, most := o.Ledger().MaxPerSlot()
	if total := o.Ledger().Total(); most > 1 || total < responses || total > slots {
		t.Errorf("the target saw %d requests, %s %d times, with %d responses of %d slots", total, key, most, responses, slots)
	}
	if responses+idle != slots || responses == 0 || idle == 0 {
		t.Errorf("%d responses and %d CONN_CLOSED_IDLE of %d slots, want both, and all", responses, idle, slots)
	}
}
