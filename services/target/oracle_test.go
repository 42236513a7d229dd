package target_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fanout-load/fanout/services/target"
)

func TestOracleSeesTheWholeRequest(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	p := dialPeer(t, o)
	p.get(t, "/ok")
	p.response(t)
	body := strings.Repeat("0123456789", 10_000)
	_, _ = fmt.Fprintf(p, "POST /status/201?a=b HTTP/1.1\r\nhost: elsewhere:80\r\nx-fanout-run: r1\r\nX-FANOUT-SLOT: 42\r\n"+
		"Content-Length: %d\r\n\r\n%s", len(body), body)
	if response, _ := p.response(t); response.StatusCode != 201 {
		t.Errorf("status = %d, want 201", response.StatusCode)
	}
	want := target.Seen{
		Conn: 1, Request: 2, Run: "r1", Slot: "42", Method: "POST", Path: "/status/201?a=b", Host: "elsewhere:80",
		Header:    http.Header{"X-Fanout-Run": {"r1"}, "X-Fanout-Slot": {"42"}, "Content-Length": {"100000"}},
		Body:      []byte(body)[:64<<10],
		BodyBytes: 100_000,
	}
	if diff := cmp.Diff(want, o.Ledger().Last()); diff != "" {
		t.Errorf("Last (-want +got):\n%s", diff)
	}
}

func TestOracleReadsBodies(t *testing.T) {
	t.Parallel()
	const post = "POST /echo HTTP/1.1\r\nHost: h\r\n"
	tests := []struct {
		name, request, body string
	}{
		{"in chunks", post + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: r\r\n\r\n", "hello world"},
		{"after an invitation", post + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		{"of no bytes", post + "Content-Length: 0\r\n\r\n", ""},
		{"that are missing", post + "\r\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			p := dialPeer(t, o)
			_, _ = io.WriteString(p, test.request)
			response, _ := p.response(t)
			if response.StatusCode == http.StatusContinue {
				response, _ = p.response(t)
			} else if strings.Contains(test.request, "Expect") {
				t.Errorf("status = %d, want 100 before", response.StatusCode)
			}
			if got := o.Ledger().Last(); response.StatusCode != 200 || string(got.Body) != test.body || got.BodyBytes != int64(len(test.body)) {
				t.Errorf("status %d, body %q, %d bytes; want 200 and %q", response.StatusCode, got.Body, got.BodyBytes, test.body)
			}
		})
	}
}

func TestOracleRecordsOnlyWholeRequests(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, request string
		want          string
	}{
		{"half a head", "GET /ok HTTP/1.1\r\nHost: h", ""},
		{"half a body", "POST /ok HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello", ""},
		{"not HTTP", "hello\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"a bad chunk", "POST /ok HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			p := dialPeer(t, o)
			_, _ = io.WriteString(p, test.request)
			_ = p.CloseWrite()
			if got, end := p.rest(t); !strings.HasPrefix(got, test.want) || (test.want == "") != (got == "") || end != "FIN" {
				t.Errorf("got %q and %s, want %q and FIN", got, end, test.want)
			}
			if o.Ledger().Total() != 0 {
				t.Errorf("Total() = %d, want 0", o.Ledger().Total())
			}
		})
	}
}

func TestOracleKeepsTheConnectionAsAsked(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, request, says string
		ends                bool
	}{
		{"1.1", "GET /ok HTTP/1.1\r\nHost: h\r\n\r\n", "", false},
		{"1.1 that closes", "GET /ok HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "close", true},
		{"1.0", "GET /ok HTTP/1.0\r\n\r\n", "close", true},
		{"1.0 that stays", "GET /ok HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive", false},
		{"the absolute form", "GET http://h/ok HTTP/1.1\r\nHost: h\r\n\r\n", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			p := dialPeer(t, o)
			for i := range 2 {
				if test.ends && i > 0 {
					break
				}
				_, _ = io.WriteString(p, test.request)
				response, body := p.response(t)
				if body != "ok\n" || (response.Header.Get("Connection") != test.says && !response.Close) {
					t.Errorf("answer %d: %q, Connection %q, want %q", i, body, response.Header.Get("Connection"), test.says)
				}
			}
			if test.ends {
				if more, end := p.rest(t); more != "" || end != "FIN" {
					t.Errorf("then %q and %s, want FIN", more, end)
				}
			}
			if last := o.Ledger().Last(); last.Path != "/ok" {
				t.Errorf("Path = %q, want /ok", last.Path)
			}
		})
	}
}

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
		"/delay/1h", "/stall", "/stall-in-head", "/stall-in-body", "/drip?interval=1h", "/endless", "/1xx-flood", "/unsolicited?after=1h",
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
