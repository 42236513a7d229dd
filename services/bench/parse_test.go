package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseSchedstat(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want time.Duration
		ok   bool
	}{
		{"1234567890 42 7\n", 1234567890, true},
		{"0 0 0\n", 0, true},
		{"", 0, false},
		{"1 2\n", 0, false},
		{"x 2 3\n", 0, false},
	} {
		if got, err := parseSchedstat(tt.text); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("parseSchedstat(%q) = %v, %v, want %v", tt.text, got, err, tt.want)
		}
	}
}

func TestParseStatus(t *testing.T) {
	t.Parallel()
	const text = "Name:\tfanout\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\nThreads:\t7\n"
	for _, tt := range []struct {
		name string
		want int64
		ok   bool
	}{
		{"VmHWM", 20 << 20, true},
		{"VmRSS", 10 << 20, true},
		{"Threads", 0, false},
		{"VmSwap", 0, false},
	} {
		if got, err := parseStatus(text, tt.name); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("parseStatus(%s) = %d, %v, want %d", tt.name, got, err, tt.want)
		}
	}
}

func TestParseServed(t *testing.T) {
	t.Parallel()
	const status = "Active connections: 65 \nserver accepts handled requests\n 130 130 4567 \nReading: 0 Writing: 1 Waiting: 64 \n"
	if got, err := parseServed(status); got != 4567 || err != nil {
		t.Errorf("parseServed = %d, %v, want 4567", got, err)
	}
	for _, text := range []string{"", "The count is: 1\n", "server accepts handled requests\n 1 2\n"} {
		if _, err := parseServed(text); err == nil {
			t.Errorf("parseServed(%q) has no error", text)
		}
	}
}

func TestParseCPUModel(t *testing.T) {
	t.Parallel()
	if got := parseCPUModel("processor\t: 0\nmodel name\t: AMD EPYC: 7\n\nprocessor\t: 1\nmodel name\t: other\n"); got != "AMD EPYC: 7" {
		t.Errorf("parseCPUModel = %q, want that of the first", got)
	}
	if got := parseCPUModel("processor: 0\n"); got != "" {
		t.Errorf("parseCPUModel without a name = %q", got)
	}
}

func TestParseReport(t *testing.T) {
	t.Parallel()
	const good = `{"counts": {"planned": 4, "responses": 4}, "recordsCount": 3, "foldedCount": 1, "serviceTime": {"p50": 0.0005, "p99": 0.25},
		"workers": [{"effort": {"senderCount": 2}}]}`
	r, err := parseReport([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.streamed(); got != 0.75 {
		t.Errorf("streamed() = %v, want 0.75", got)
	}
	if got := seconds(r.ServiceTime.P50); got != 500*time.Microsecond || r.senders() != 2 {
		t.Errorf("p50 = %v, senders = %d, want 500µs and 2", got, r.senders())
	}
	if err := sameCount(r, 4); err != nil {
		t.Errorf("sameCount of what is the same = %v", err)
	}
	if err := sameCount(r, 5); err == nil {
		t.Error("sameCount of what differs has no error")
	}
	for _, text := range []string{"", "{}", `{"counts": {"planned": 4, "responses": 3, "errors": 1}}`} {
		if _, err := parseReport([]byte(text)); err == nil {
			t.Errorf("parseReport(%s) has no error", text)
		}
	}
}

func TestPeerCommands(t *testing.T) {
	t.Parallel()
	l := testLab(t)
	for _, p := range knownPeers() {
		p.path = p.name
		for _, rate := range []int{0, 2000} {
			if rate > 0 && p.paced == nil {
				continue
			}
			c, err := l.peerCommand(p, load{url: "http://127.0.0.1:1/", rate: rate, seconds: 3})
			if err != nil {
				t.Fatal(err)
			}
			line := c.String()
			if !strings.Contains(line, "http://127.0.0.1:1/") || !strings.Contains(line, "3") || rate > 0 && !strings.Contains(line, "2000") {
				t.Errorf("%s at %d/s: %q, want the URL, the length and the rate in it", p.name, rate, line)
			}
		}
	}
}

func TestSlownessDelay(t *testing.T) {
	t.Parallel()
	stall := slowness{least: 5 * time.Millisecond, stall: time.Second, every: 10 * time.Second}
	for since, want := range map[time.Duration]time.Duration{
		0:                                5 * time.Millisecond,
		8999 * time.Millisecond:          5 * time.Millisecond,
		9 * time.Second:                  time.Second,
		9250 * time.Millisecond:          750 * time.Millisecond,
		9999 * time.Millisecond:          5 * time.Millisecond,
		10 * time.Second:                 5 * time.Millisecond,
		29*time.Second + time.Second/2:   time.Second / 2,
		100*time.Second + 5*time.Second:  5 * time.Millisecond,
		109*time.Second + time.Second/10: 900 * time.Millisecond,
	} {
		if got := stall.delay(since, nil); got != want {
			t.Errorf("delay after %v = %v, want %v", since, got, want)
		}
	}
}
