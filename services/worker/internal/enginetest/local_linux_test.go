package enginetest

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/target"
)

// atOnce sends slots from as many senders at once, and counts what becomes of them.
func atOnce(t *testing.T, c *client, slots int) map[outcome.Class]int {
	t.Helper()
	var (
		running sync.WaitGroup
		mu      sync.Mutex
		classes = map[outcome.Class]int{}
	)
	for slot := range int64(slots) {
		running.Go(func() {
			s := c.Sender()
			defer s.Close()
			got := outcome.Outcome{Slot: slot}
			s.Send(t.Context(), &got)
			mu.Lock()
			defer mu.Unlock()
			classes[got.Error]++
			if (got.Error == outcome.NoError) != (got.Message == "") {
				t.Errorf("message of %v = %q", got.Error, got.Message)
			}
		})
	}
	running.Wait()
	return classes
}

// wantClasses checks that the classes are these, with no other.
func wantClasses(t *testing.T, what string, got, want map[outcome.Class]int) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// openFiles is the numbers of this process's open files.
func openFiles(t *testing.T) map[uint64]bool {
	t.Helper()
	directory, err := os.Open("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	defer directory.Close()
	names, err := directory.Readdirnames(-1)
	if err != nil {
		t.Fatal(err)
	}
	all := map[uint64]bool{}
	for _, name := range names {
		number, err := strconv.ParseUint(name, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		all[number] = true
	}
	delete(all, uint64(directory.Fd()))
	return all
}

// leaveFiles leaves this process room for so many more open files, until the function that it returns is called.
func leaveFiles(t *testing.T, n int) (restore func()) {
	t.Helper()
	taken := openFiles(t)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	limit := before
	for limit.Cur = 0; n > 0 || taken[limit.Cur]; limit.Cur++ { // the limit is on numbers, which have gaps
		if !taken[limit.Cur] {
			n--
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	}
}

// A process that runs out of file descriptors says so of exactly the slots that got none. The target is not blamed, not its
// name's server and not its certificate either, and when there are descriptors again all goes on.
func TestNoFilesLeft(t *testing.T) {
	t.Parallel()
	certificates := newCertificates(t)
	o, secure := startOracle(t, target.OracleConfig{}), startOracle(t, target.OracleConfig{TLS: certificates.Config})
	roots := t.TempDir() + "/roots.pem"
	if err := os.WriteFile(roots, certificates.CAPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	if !inChild(t, nil, "FANOUT_TEST_URL="+o.URL(), "FANOUT_TEST_SECURE_URL="+secure.URL(), "SSL_CERT_FILE="+roots, "SSL_CERT_DIR=/nonexistent") {
		const perEngine = 1 + 30 + 5 + 10 // what there was room for, in the child
		if n := o.Ledger().Total(); n != int64(len(engines)*perEngine) {
			t.Errorf("the target saw %d requests, want %d: a slot without a descriptor is not delivered", n, len(engines)*perEngine)
		}
		return
	}
	url, secureURL := os.Getenv("FANOUT_TEST_URL"), os.Getenv("FANOUT_TEST_SECURE_URL")
	onEach(t, func(t *testing.T, e engine) {
		// The first one opens what the process needs for any network.
		warm := e.newClient(t, planFor(url+"/ok"), nil)
		wantClasses(t, "one slot", atOnce(t, warm, 1), map[outcome.Class]int{outcome.NoError: 1})

		p := planFor(url + "/delay/500ms")
		p.Load = plan.Load{}
		c := e.newClient(t, p, nil)
		named := e.newClient(t, planFor(strings.Replace(url, "127.0.0.1", "host.example", 1)+"/ok"), nil)
		safe := e.newClient(t, planFor(secureURL+"/ok"), nil)

		restore := leaveFiles(t, 30)
		wantClasses(t, "100 slots with 30 files", atOnce(t, c, 100), map[outcome.Class]int{outcome.NoError: 30, outcome.LocalFiles: 70})
		restore()
		restore = leaveFiles(t, 0)
		wantClasses(t, "look-ups without files", atOnce(t, named, 10), map[outcome.Class]int{outcome.LocalFiles: 10})
		restore()
		// Connections that nobody holds are given up for those that somebody needs.
		two := planFor(url + "/delay/1ms")
		two.Requests = append(two.Requests, planFor(strings.Replace(url, "127.0.0.1", "127.0.0.2", 1)+"/ok").Requests...)
		several := e.newClient(t, two, nil)
		var senders []*sender
		for range 5 {
			senders = append(senders, several.Sender())
		}
		restore = leaveFiles(t, 5)
		for slot, s := range senders {
			if got := send(t, s, int64(slot)); got.Error != outcome.NoError {
				t.Errorf("slot %d = %v (%s), want a response", slot, got.Error, got.Message)
			}
		}
		for _, s := range senders {
			s.Close()
		}
		for slot := range int64(5) {
			got := outcome.Outcome{Slot: slot, Request: 1}
			s := several.Sender()
			s.Send(t.Context(), &got)
			if got.Error != outcome.DialRefused { // there is nobody, but it was dialled
				t.Errorf("slot %d to another address = %v (%s), want DIAL_REFUSED", slot, got.Error, got.Message)
			}
			s.Close()
		}
		restore()
		restore = leaveFiles(t, 1)
		wantClasses(t, "TLS with one file", atOnce(t, safe, 1), map[outcome.Class]int{outcome.NoError: 1})
		restore()
		again := e.newClient(t, planFor(url+"/ok"), nil)
		wantClasses(t, "slots after all that", atOnce(t, again, 10), map[outcome.Class]int{outcome.NoError: 10})
	})
}

// In a network with fifty ports fifty connections at once are all there can be: the rest ends as LOCAL_PORTS, and the target sees
// nothing of it.
func TestNoPortsLeft(t *testing.T) {
	t.Parallel()
	if !inChild(t, newNetwork()) {
		return
	}
	command(t, "ip", "link", "set", "lo", "up")
	setting(t, "ipv4/ip_local_port_range", "50000 50049")
	setting(t, "ipv4/tcp_tw_reuse", "0")
	for i, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			// Each has an address of its own: what the other has left in TIME_WAIT would take its ports.
			o := startOracle(t, target.OracleConfig{Addr: fmt.Sprintf("127.0.0.%d:%d", 1+2*i, 8080)})
			p := planFor(o.URL() + "/delay/500ms")
			p.Load = plan.Load{}
			wantClasses(t, "60 slots at once", atOnce(t, e.newClient(t, p, nil), 60),
				map[outcome.Class]int{outcome.NoError: 50, outcome.LocalPorts: 10})
			if n := o.Ledger().Total(); n != 50 {
				t.Errorf("the target saw %d requests, want 50", n)
			}

			other := startOracle(t, target.OracleConfig{Addr: fmt.Sprintf("127.0.0.%d:%d", 2+2*i, 8080)})
			p = planFor(other.URL() + "/delay/100ms")
			p.HTTP.RequestsPerConnection = 1
			classes := atOnce(t, e.newClient(t, p, nil), 1000)
			responses := classes[outcome.NoError]
			wantClasses(t, "1000 slots without keep-alive", classes,
				map[outcome.Class]int{outcome.NoError: responses, outcome.LocalPorts: 1000 - responses})
			if responses < 50 || responses == 1000 || other.Ledger().Total() != int64(responses) {
				t.Errorf("%d of 1000 slots have a response, and the target saw %d, want some, and the same", responses, other.Ledger().Total())
			}
		})
	}
}

// What the system says of a network, without the target's doing, has its class: no route, a forbidden one, one that swallows, and
// a target whose queue of new connections is full.
func TestNoWayThere(t *testing.T) {
	t.Parallel()
	if !inChild(t, newNetwork()) {
		return
	}
	command(t, "ip", "link", "set", "lo", "up")
	command(t, "ip", "route", "add", "prohibit", "192.0.2.1")
	command(t, "ip", "route", "add", "unreachable", "192.0.2.2")
	command(t, "ip", "route", "add", "blackhole", "192.0.2.3")
	setting(t, "core/somaxconn", "1")
	onEach(t, func(t *testing.T, e engine) {
		for address, want := range map[string]outcome.Class{
			"192.0.2.1":     outcome.LocalDenied,
			"192.0.2.2":     outcome.DialUnreachable,
			"192.0.2.3":     outcome.DialOther, // EINVAL
			"192.0.2.4":     outcome.DialUnreachable,
			"[2001:db8::1]": outcome.DialUnreachable,
		} {
			c := e.newClient(t, planFor("http://"+address+"/"), nil)
			wantClasses(t, "slots to "+address, atOnce(t, c, 20), map[outcome.Class]int{want: 20})
		}
		o := startOracle(t, target.OracleConfig{})
		o.StopAccepting()
		p := planFor(o.URL() + "/ok")
		p.Load = plan.Load{}
		p.HTTP.DialTimeout, p.Requests[0].Timeout = 500*time.Millisecond, 2*time.Second
		classes := atOnce(t, e.newClient(t, p, nil), 20)
		waiting := classes[outcome.TimeoutFirstByte]
		wantClasses(t, "slots to a target that accepts nothing", classes,
			map[outcome.Class]int{outcome.TimeoutFirstByte: waiting, outcome.DialTimeout: 20 - waiting})
		if waiting == 0 || waiting > 4 {
			t.Errorf("%d connections are in a queue for one, want 1 to 4", waiting)
		}
	})
}
