package target_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fanout-load/fanout/services/target"
)

func TestAcceptActions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		action target.AcceptAction
		data   string
		end    string
	}{
		{"close", target.AcceptClose, "", "FIN"},
		{"plain text", target.AcceptPlainText, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n" +
			"Content-Length: 21\r\n\r\nThis port is not TLS\n", "FIN"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			asked := make(chan int64, 2)
			o := startOracle(t, target.OracleConfig{OnAccept: func(conn int64) target.AcceptAction {
				asked <- conn
				if conn == 2 {
					return target.AcceptServe
				}
				return test.action
			}})
			p := dialPeer(t, o)
			p.get(t, "/ok") // bytes that nobody reads must not make a reset of a FIN
			if data, end := p.rest(t); data != test.data || end != test.end {
				t.Errorf("got %q and %s, want %q and %s", data, end, test.data, test.end)
			}
			if o.Ledger().Total() != 0 {
				t.Errorf("Total() = %d, want 0", o.Ledger().Total())
			}
			second := dialPeer(t, o)
			second.get(t, "/ok")
			second.response(t)
			if first, second := <-asked, <-asked; first != 1 || second != 2 || o.Connections() != 2 {
				t.Errorf("asked about %d and %d, accepted %d; want 1, 2 and 2", first, second, o.Connections())
			}
		})
	}
}

func TestAcceptResetResets(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{OnAccept: func(int64) target.AcceptAction { return target.AcceptReset }})
	for range 20 {
		stream, err := net.DialTimeout("tcp", o.Addr(), patience)
		if err == nil { // the reset was not there yet
			_ = stream.SetDeadline(time.Now().Add(patience))
			_, err = stream.Read(make([]byte, 1))
			_ = stream.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want ECONNRESET", err)
		}
	}
	eventually(t, "all are counted", func() bool { return o.Connections() == 20 })
}

func TestAcceptHoldLastsUntilClose(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{OnAccept: func(int64) target.AcceptAction { return target.AcceptHold }})
	p := dialPeer(t, o)
	p.get(t, "/ok")
	requireSilence(t, p)
	if o.Ledger().Total() != 0 {
		t.Errorf("Total() = %d, want 0", o.Ledger().Total())
	}
	_ = o.Close() // checked by the clean-up
	if _, end := p.rest(t); end == "silence" {
		t.Error("the connection outlives Close")
	}
}

func TestStopAcceptingLeavesTheBacklog(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	before := dialPeer(t, o)
	before.get(t, "/ok")
	before.response(t)

	for round := range int64(3) {
		o.StopAccepting()
		o.StopAccepting() // no matter
		waiting := dialPeer(t, o)
		waiting.get(t, "/ok")
		requireSilence(t, waiting)
		if got, want := o.Connections(), round+1; got != want {
			t.Fatalf("Connections() = %d while stopped, want %d", got, want)
		}
		before.get(t, "/ok")
		before.response(t)
		o.ResumeAccepting()
		waiting.response(t)
	}
	o.StopAccepting() // and Close ends that, too
}

func TestOnRequestChoosesTheScript(t *testing.T) {
	t.Parallel()
	var o *target.Oracle
	started := make(chan struct{})
	o = startOracle(t, target.OracleConfig{OnRequest: func(seen target.Seen) string {
		<-started
		if o.Ledger().Count(seen.Run, seen.Slot) == 0 {
			t.Error("asked before the request was recorded")
		}
		return "/status/40" + seen.Slot
	}})
	close(started)
	for slot := range 5 {
		response, err := client(t).Do(slotted(t, o.URL()+"/ok", "r", slot))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != 400+slot {
			t.Errorf("slot %d: status %d, want %d", slot, response.StatusCode, 400+slot)
		}
	}
	if response, _ := fetch(t, client(t), o.URL()+"/ledger"); response.StatusCode != 200 {
		t.Errorf("/ledger = %d, want 200", response.StatusCode)
	}
	if diff := cmp.Diff(map[string]int64{"/ok": 5}, o.Ledger().ByPath()); diff != "" {
		t.Errorf("ByPath (-want +got):\n%s", diff)
	}
}

func TestLedgerIsExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	const clients, each = 64, 50
	o := startOracle(t, target.OracleConfig{})
	c := client(t)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for j := range each {
				response, err := c.Do(slotted(t, o.URL()+"/ok", "r", i*each+j))
				if err != nil {
					t.Errorf("slot %d: %v", i*each+j, err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		})
	}
	all.Wait()

	l := o.Ledger()
	if _, most := l.MaxPerSlot(); l.Total() != clients*each || l.Slots("r") != clients*each || most != 1 {
		t.Errorf("total %d, slots %d, most %d; want %d, the same and 1", l.Total(), l.Slots("r"), most, clients*each)
	}
	for slot := range clients * each {
		if n := l.Count("r", fmt.Sprint(slot)); n != 1 {
			t.Errorf("Count(slot %d) = %d, want 1", slot, n)
		}
	}
	again, err := c.Do(slotted(t, o.URL()+"/ok", "r", 17))
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Body.Close()
	_, body := fetch(t, c, o.URL()+"/ledger?now")
	var got struct {
		Total, Distinct int64
		Duplicates      []string
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("/ledger = %q: %v", body, err)
	}
	if got.Total != clients*each+1 || got.Distinct != clients*each || len(got.Duplicates) != 1 ||
		got.Duplicates[0] != "run=r slot=17 path=/ok" {
		t.Errorf("/ledger = %q", body)
	}
}

func TestOracleTakesManyConnections(t *testing.T) {
	t.Parallel()
	const connections = 1000
	o := startOracle(t, target.OracleConfig{})
	peers := make([]peer, connections)
	for i := range peers {
		peers[i] = dialPeer(t, o)
	}
	for i, p := range peers {
		p.get(t, "/ok", fmt.Sprintf("X-Fanout-Slot: %d", i))
	}
	for _, p := range peers {
		p.response(t)
	}
	if o.Connections() != connections || o.Ledger().Slots("") != connections {
		t.Errorf("connections %d, slots %d, want %d", o.Connections(), o.Ledger().Slots(""), connections)
	}
}

func TestCloseEndsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	paths := []string{
		"/delay/1h", "/stall", "/stall-in-head", "/stall-in-body", "/drip?interval=1h", "/endless", "/1xx-flood",
		"/unsolicited?after=1h",
	}
	for _, path := range paths {
		dialPeer(t, o).get(t, path)
	}
	pipelined := dialPeer(t, o)
	pipelined.get(t, "/delay/1h")
	pipelined.get(t, "/ok")
	dialPeer(t, o) // silent
	eventually(t, "all requests are read", func() bool { return o.Ledger().Total() == int64(len(paths)+1) })
	start := time.Now()
	if err := o.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("Close took %v", took)
	}
	if _, err := net.DialTimeout("tcp", o.Addr(), time.Second); err == nil {
		t.Error("the listener outlives Close")
	}
}

func TestStartOracleTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	if second, err := target.StartOracle(target.OracleConfig{Addr: o.Addr()}); err == nil {
		_ = second.Close()
		t.Error("StartOracle on a taken port = nil, want an error")
	}
}

// BenchmarkOracle measures small responses on 64 kept connections, with the client in the same process.
func BenchmarkOracle(b *testing.B) {
	o := startOracle(b, target.OracleConfig{})
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		stream, err := net.Dial("tcp", o.Addr())
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = stream.Close() }()
		buffer := make([]byte, 4096)
		for pb.Next() {
			if _, err := stream.Write([]byte("GET /ok HTTP/1.1\r\nHost: h\r\nX-Fanout-Slot: 7\r\n\r\n")); err != nil {
				b.Error(err)
				return
			}
			if _, err := stream.Read(buffer); err != nil { // one write per response: one read
				b.Error(err)
				return
			}
		}
	})
}

// requireSilence requires that nothing comes for a while, and leaves the connection usable.
func requireSilence(t testing.TB, p peer) {
	t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	if got, err := p.in.Peek(1); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Fatalf("got %q, %v, want silence", got, err)
	}
	_ = p.SetReadDeadline(time.Now().Add(patience))
}
