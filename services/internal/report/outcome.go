package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// maxBeside is how long a body of one line may be to stand beside the figures; a longer one stands below them.
const maxBeside = 120

// OutcomeText writes one outcome as it arrives: a line with its slot and, unless name is "", whose it is, status, error class or reason, service time and size,
// and then what was asked for of the response. A short body of one line stands on the same line, others below, indented, so
// that no body can pass for a line of ours. Control characters of a body show as escapes; a body that is not text is only
// described.
func OutcomeText(w io.Writer, o *outcome.Outcome, name string) error {
	words := []string{fmt.Sprintf("slot %d", o.Slot)}
	if name != "" {
		words = append(words, clean(name))
	}
	switch {
	case o.NotSent != outcome.Sent:
		words = append(words, "not sent: "+o.NotSent.String())
	case o.Error != outcome.NoError:
		words = append(words, o.Error.String())
		if o.Status != 0 {
			words = append(words, fmt.Sprintf("after status %d", o.Status))
		}
		words = append(words, latency(o.Service))
		if o.ReceivedBytes > 0 {
			words = append(words, size(o.ReceivedBytes))
		}
	default:
		// Most lines are responses: their columns stand under each other.
		words = append(words, fmt.Sprint(o.Status), fmt.Sprintf("%7s", latency(o.Service)), fmt.Sprintf("%7s", size(o.ReceivedBytes)))
	}
	if o.Redirects > 0 {
		words = append(words, Count(int64(o.Redirects), "redirect"))
	}
	if o.Message != "" {
		words = append(words, clean(o.Message))
	}
	var below []string
	for _, h := range o.Headers {
		below = append(below, clean(h.Name)+": "+clean(h.Value))
	}
	beside, rest := bodyText(o.Body)
	if beside != "" {
		words = append(words, beside)
	}
	var b strings.Builder
	b.WriteString(strings.Join(words, "  ") + "\n")
	for _, line := range append(below, rest...) {
		if line != "" {
			line = "  " + line
		}
		b.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// bodyText is a body as it stands beside the figures, or below them.
func bodyText(body *outcome.Body) (beside string, below []string) {
	if body == nil {
		return "", nil
	}
	if !isText(body.Bytes) {
		return fmt.Sprintf("(%s of binary%s)", Count(int64(len(body.Bytes)), "byte"), ifTrue(body.Truncated, ", truncated")), nil
	}
	lines := cleanLines(string(body.Bytes))
	if len(lines) == 1 && columns(lines[0]) <= maxBeside {
		return strings.TrimPrefix(lines[0]+ifTrue(body.Truncated, " (truncated)"), " "), nil
	}
	if body.Truncated {
		lines = append(lines, "(truncated)")
	}
	return "", lines
}

// isText reports whether a body is worth showing: it is UTF-8, and has no NUL, which no text has.
func isText(body []byte) bool {
	return utf8.Valid(body) && bytes.IndexByte(body, 0) < 0
}

func ifTrue(condition bool, s string) string {
	if condition {
		return s
	}
	return ""
}

// CallText writes the line of counts at the end of a call.
func CallText(w io.Writer, s *tally.Snapshot, elapsed time.Duration) error {
	c := s.Counts
	parts := []string{responsesIn(c, elapsed)}
	if c.Errors > 0 {
		classes := make([]string, len(s.Errors))
		for i, e := range s.Errors {
			classes[i] = e.Class.String() + " " + Number(e.Count)
		}
		parts = append(parts, listed(Count(c.Errors, "error"), classes))
	}
	if c.NotSent > 0 {
		reasons := make([]string, len(s.NotSent))
		for i, n := range s.NotSent {
			reasons[i] = n.Reason.String() + " " + Number(n.Count)
		}
		parts = append(parts, listed(Number(c.NotSent)+" not sent", reasons))
	}
	for _, rest := range []struct {
		n    int64
		what string
	}{{c.Unknown, " unknown"}, {c.Pending, " pending"}, {c.InFlight, " in flight"}} {
		if rest.n != 0 {
			parts = append(parts, Number(rest.n)+rest.what)
		}
	}
	if s.Folded > 0 {
		parts = append(parts, Number(s.Folded)+" of them folded: counted, but not listed")
	}
	_, err := io.WriteString(w, strings.Join(parts, ", ")+"\n")
	return err
}

func listed(what string, by []string) string {
	if len(by) == 0 {
		return what
	}
	return what + " (" + strings.Join(by, ", ") + ")"
}
