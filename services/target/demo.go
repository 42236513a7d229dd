package target

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// longestDraw is the upper end of the sleeps that a demo target draws by itself: long enough that ten requests one after
// the other take visibly longer than ten at once, short enough that nobody waits for the demonstration.
const longestDraw = 200 * time.Millisecond

// Demo is the target of the demonstration, an [http.Handler]:
//
//	GET /inc                 prints "Sleeping for: 120ms", sleeps, adds one, prints and answers "The count is: N"
//	GET /count               answers the count as a plain number
//	GET /count?format=json   answers {"count":N,"longestSleepSeconds":0.199}
//	GET /                    answers what there is
//
// A request whose sender leaves while it sleeps is not counted. Other paths are 404, other methods (HEAD too) 405.
// It is safe for concurrent use; make it with [NewDemo].
type Demo struct {
	sleep   func() time.Duration
	count   atomic.Int64
	longest atomic.Int64 // nanoseconds, of the sleeps drawn, slept to their end or not

	mu  sync.Mutex // guards out, so that lines stay whole; counting happens under it too, so that counts print in order
	out io.Writer  // nil: quiet
}

// NewDemo makes a demo target that counts from 0. It prints to out, one Write a line and never two at a time; nil is quiet.
// A failing writer is not noticed. Each request draws its sleep from the function, which must be safe for concurrent use;
// nil draws whole milliseconds from 0 to 200, both included, all alike likely.
func NewDemo(out io.Writer, sleep func() time.Duration) *Demo {
	if sleep == nil {
		sleep = drawSleep
	}
	return &Demo{out: out, sleep: sleep}
}

// Count returns how many requests to /inc were counted since the start.
func (d *Demo) Count() int64 { return d.count.Load() }

// LongestSleep returns the longest sleep that was drawn since the start, 0 before the first: what all requests at once
// should take, if nothing else does.
func (d *Demo) LongestSleep() time.Duration { return time.Duration(d.longest.Load()) }

// ServeHTTP answers one request.
func (d *Demo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serve := d.find(r.URL.Path)
	switch {
	case serve == nil:
		http.NotFound(w, r)
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
	default:
		serve(w, r)
	}
}

// find returns what serves the path, or nil.
func (d *Demo) find(path string) http.HandlerFunc {
	switch path {
	case "/":
		return d.serveHelp
	case "/inc":
		return d.serveInc
	case "/count":
		return d.serveCount
	default:
		return nil
	}
}

func (d *Demo) serveHelp(w http.ResponseWriter, _ *http.Request) {
	plain(w, "GET /inc sleeps, counts and tells the count; GET /count only tells it.\n")
}

func (d *Demo) serveInc(w http.ResponseWriter, r *http.Request) {
	asleep := d.sleep()
	d.noteSleep(asleep)
	d.print(fmt.Sprintf("Sleeping for: %dms\n", asleep.Milliseconds()))

	timer := time.NewTimer(asleep)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		return
	}
	plain(w, strings.TrimSuffix(d.countOne(), "\n"))
}

func (d *Demo) serveCount(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("format") != "json" {
		plain(w, fmt.Sprintf("%d\n", d.Count()))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"count":%d,"longestSleepSeconds":%g}`+"\n", d.Count(), d.LongestSleep().Seconds())
}

// countOne adds one, prints the new count and returns the line that says it.
func (d *Demo) countOne() string {
	if d.out == nil {
		return countLine(d.count.Add(1))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	line := countLine(d.count.Add(1))
	_, _ = io.WriteString(d.out, line) // nobody to tell
	return line
}

func (d *Demo) print(line string) {
	if d.out == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _ = io.WriteString(d.out, line) // nobody to tell
}

func (d *Demo) noteSleep(asleep time.Duration) {
	for {
		longest := d.longest.Load()
		if int64(asleep) <= longest || d.longest.CompareAndSwap(longest, int64(asleep)) {
			return
		}
	}
}

func countLine(n int64) string { return fmt.Sprintf("The count is: %d\n", n) }

func drawSleep() time.Duration {
	return rand.N(longestDraw/time.Millisecond+1) * time.Millisecond
}

// plain answers with text. A sender that does not take its answer is its own affair.
func plain(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text)
}
