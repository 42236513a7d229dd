package model

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// maxLines bounds a trace; what happens later is not in it.
const maxLines = 3000

// trace is what happened in a case, in the order in which it was noted.
type trace struct {
	begin time.Time

	mu    sync.Mutex
	lines []string // guarded by mu
}

func newTrace() *trace { return &trace{begin: time.Now()} }

func (t *trace) now() time.Duration { return time.Since(t.begin) }

func (t *trace) note(who, format string, values ...any) {
	line := fmt.Sprintf("%9.4f  %-4s %s", t.now().Seconds(), who, fmt.Sprintf(format, values...))
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) < maxLines {
		t.lines = append(t.lines, line)
	}
}

// String is the trace, a line for each event.
func (t *trace) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}

// log is a log of the product's that goes into the trace.
func (t *trace) log(who string) *slog.Logger { return slog.New(&handler{trace: t, who: who}) }

type handler struct {
	trace *trace
	who   string
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }
func (h *handler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *handler) WithGroup(string) slog.Handler            { return h }

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "run_id" {
			fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		}
		return true
	})
	h.trace.note(h.who, "log: %s%s", r.Message, b.String())
	return nil
}

// violation is an invariant that did not hold.
type violation struct{ invariant, text string }

func (v violation) String() string { return v.invariant + ": " + v.text }

// wrongs is the violations of a case. It is safe for concurrent use.
type wrongs struct {
	trace *trace

	mu  sync.Mutex
	all []violation // guarded by mu
}

// add notes a violation. Of one that goes on, the first few are enough.
func (w *wrongs) add(invariant, format string, values ...any) {
	v := violation{invariant, fmt.Sprintf(format, values...)}
	w.mu.Lock()
	defer w.mu.Unlock()
	same := 0
	for _, other := range w.all {
		if other.invariant == invariant {
			same++
		}
	}
	if same < 4 {
		w.all = append(w.all, v)
		w.trace.note("!!", "%v", v)
	}
}

func (w *wrongs) list() []violation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]violation(nil), w.all...)
}
