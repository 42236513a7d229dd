package target_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

func noSleep() time.Duration { return 0 }

// oneWriteALine fails a test whose subject writes anything but whole lines, or two at a time. It has no lock, so that the
// race detector sees the latter.
type oneWriteALine struct {
	t     *testing.T
	lines []string
}

func (w *oneWriteALine) Write(p []byte) (int, error) {
	if bytes.Count(p, []byte("\n")) != 1 || p[len(p)-1] != '\n' {
		w.t.Errorf("Write(%q): want one whole line", p)
	}
	w.lines = append(w.lines, string(p))
	return len(p), nil
}

func TestDemoAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, path string
		status             int
		body               string
	}{
		{"counts", "GET", "/inc", 200, "The count is: 1"},
		{"tells the count", "GET", "/count", 200, "0\n"},
		{"tells the count as JSON", "GET", "/count?format=json", 200, `{"count":0,"longestSleepSeconds":0}` + "\n"},
		{"helps", "GET", "/", 200, "GET /inc sleeps, counts and tells the count; GET /count only tells it.\n"},
		{"knows no other path", "GET", "/inc/", 404, "404 page not found\n"},
		{"refuses POST", "POST", "/inc", 405, "only GET\n"},
		{"refuses HEAD", "HEAD", "/inc", 405, "only GET\n"},
		{"refuses POST of the count", "POST", "/count", 405, "only GET\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			demo := target.NewDemo(nil, noSleep)
			got := httptest.NewRecorder()
			demo.ServeHTTP(got, httptest.NewRequest(test.method, test.path, nil))
			if got.Code != test.status || got.Body.String() != test.body {
				t.Errorf("%s %s = %d %q, want %d %q", test.method, test.path, got.Code, got.Body, test.status, test.body)
			}
			if allow := got.Header().Get("Allow"); (allow == "GET") != (test.status == 405) {
				t.Errorf("%s %s: Allow = %q with status %d", test.method, test.path, allow, got.Code)
			}
		})
	}
}

func TestDemoPrintsAllSleepsBeforeAllCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &oneWriteALine{t: t}
		draws := make(chan time.Duration, 10)
		for i := range 10 {
			draws <- time.Duration(20*i) * time.Millisecond
		}
		demo := target.NewDemo(out, func() time.Duration { return <-draws + time.Millisecond })
		start := time.Now()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { demo.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/inc", nil)) })
		}
		all.Wait()

		if took := time.Since(start); took != demo.LongestSleep() || took != 181*time.Millisecond {
			t.Errorf("ten at once took %v, want the longest sleep, %v", took, demo.LongestSleep())
		}
		if len(out.lines) != 20 {
			t.Fatalf("printed %d lines, want 20: %q", len(out.lines), out.lines)
		}
		for i := range 10 {
			if !regexp.MustCompile(`^Sleeping for: \d+ms\n$`).MatchString(out.lines[i]) {
				t.Errorf("line %d = %q, want a sleep", i, out.lines[i])
			}
			if want := fmt.Sprintf("The count is: %d\n", i+1); out.lines[10+i] != want {
				t.Errorf("line %d = %q, want %q", 10+i, out.lines[10+i], want)
			}
		}
	})
}

func TestDemoDrawsFrom0To200Milliseconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		demo := target.NewDemo(&out, nil)
		for range 500 {
			start := time.Now()
			out.Reset()
			demo.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/inc", nil))
			took := time.Since(start)
			if want := fmt.Sprintf("Sleeping for: %dms\n", took.Milliseconds()); !strings.HasPrefix(out.String(), want) {
				t.Fatalf("slept %v and printed %q", took, out.String())
			}
			if took > 200*time.Millisecond || took%time.Millisecond != 0 {
				t.Fatalf("slept %v, want whole milliseconds up to 200", took)
			}
		}
		if longest := demo.LongestSleep(); longest < 150*time.Millisecond || longest > 200*time.Millisecond {
			t.Errorf("LongestSleep() = %v after 500 draws", longest)
		}
	})
}

func TestDemoDoesNotCountWhoLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		demo := target.NewDemo(nil, func() time.Duration { return time.Hour })
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		start := time.Now()
		demo.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/inc", nil))
		if took := time.Since(start); took != time.Second || demo.Count() != 0 {
			t.Errorf("/inc took %v and counted %d, want 1s and 0", took, demo.Count())
		}
		if demo.LongestSleep() != time.Hour {
			t.Errorf("LongestSleep() = %v, want what was drawn, 1h", demo.LongestSleep())
		}
	})
}

func TestDemoServesManyConnectionsAtOnce(t *testing.T) {
	t.Parallel()
	const connections = 500
	out := &oneWriteALine{t: t}
	demo := target.NewDemo(out, func() time.Duration { return 50 * time.Millisecond })
	url, stop := serveDemo(t, demo)
	c := client(t)
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			response, err := c.Get(url + "/inc")
			if err != nil {
				t.Errorf("GET /inc: %v", err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		})
	}
	all.Wait()
	if demo.Count() != connections {
		t.Errorf("Count() = %d, want %d", demo.Count(), connections)
	}
	if response, body := fetch(t, c, url+"/count?format=json"); response.Header.Get("Content-Type") != "application/json" ||
		body != fmt.Sprintf(`{"count":%d,"longestSleepSeconds":0.05}`+"\n", connections) {
		t.Errorf("/count?format=json = %q as %q", body, response.Header.Get("Content-Type"))
	}
	stop()
	if len(out.lines) != 2*connections {
		t.Errorf("printed %d lines, want %d", len(out.lines), 2*connections)
	}
}

func TestDemoServeStopsWithinItsBound(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		sleep time.Duration
		count int64
		least time.Duration
		most  time.Duration
	}{
		{"what is in flight gets its time", 300 * time.Millisecond, 1, 0, 1500 * time.Millisecond},
		{"what takes longer is cut off", time.Hour, 0, 1900 * time.Millisecond, 3 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			drawn := make(chan struct{})
			demo := target.NewDemo(nil, func() time.Duration {
				close(drawn)
				return test.sleep
			})
			url, stop := serveDemo(t, demo)
			var asking sync.WaitGroup
			c := client(t)
			asking.Go(func() {
				if response, err := c.Get(url + "/inc"); err == nil {
					_ = response.Body.Close()
				}
			})
			<-drawn
			start := time.Now()
			stop()
			if took := time.Since(start); took < test.least || took > test.most {
				t.Errorf("Serve took %v to stop, want from %v to %v", took, test.least, test.most)
			}
			asking.Wait()
			if demo.Count() != test.count {
				t.Errorf("Count() = %d, want %d", demo.Count(), test.count)
			}
		})
	}
}

func TestDemoServeTellsWhatItsListenerHas(t *testing.T) {
	t.Parallel()
	l := listen(t)
	_ = l.Close() // before the server has it
	if err := target.NewDemo(nil, nil).Serve(t.Context(), l); err == nil {
		t.Error("Serve on a closed listener = nil, want an error")
	}
}

// serveDemo serves until stop, or the test, ends it, and requires that to go well.
func serveDemo(t *testing.T, demo *target.Demo) (url string, stop func()) {
	t.Helper()
	l := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- demo.Serve(ctx, l) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	t.Cleanup(stop)
	return "http://" + l.Addr().String(), stop
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var _ http.Handler = (*target.Demo)(nil)
