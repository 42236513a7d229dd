package wire

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// Violation is one thing that is wrong with a request.
type Violation struct {
	Field       string // path from the request's message, as plan.requests[0].headers[2].value
	Description string // one sentence: the value, what is wrong with it, what to do; printable, without a final stop
}

const (
	// maxViolationBytes bounds the violations of one request. They travel in a trailer, in base64 and in part a second time
	// as the status message, and gRPC implementations other than Go's take 8 KiB of metadata by default.
	maxViolationBytes = 4 << 10

	// maxShownBytes is how much of a value is shown: enough to recognise it in a plan of thousands.
	maxShownBytes = 80
)

// checker collects what is wrong. Its methods take a field in two parts, so that the path is only put together when
// something is.
type checker struct {
	caps  plan.Caps
	whose string          // the service that the caps are of
	shown bool            // the plan is one as a run shows it: without its secrets
	slow  plan.SlowStream // default of the plan
	found []Violation
	bytes int
	more  int    // violations beyond maxViolationBytes
	first string // field of the first of those
}

// addf adds a violation of the field name within the message at; either may be empty.
func (c *checker) addf(at, name, format string, args ...any) {
	field := join(at, name)
	if c.more > 0 {
		c.more++
		return
	}
	v := Violation{Field: field, Description: printable(fmt.Sprintf(format, args...))}
	if size := len(v.Field) + len(v.Description); len(c.found) > 0 && c.bytes+size > maxViolationBytes {
		c.first, c.more = field, 1
		return
	}
	c.bytes += len(v.Field) + len(v.Description)
	c.found = append(c.found, v)
}

// count is how many violations were found so far.
func (c *checker) count() int { return len(c.found) + c.more }

func join(at, name string) string {
	if at == "" || name == "" {
		return at + name
	}
	return at + "." + name
}

// violations is what was found, in the order of the fields; nil if nothing was. When it was too much to list, the last
// violation says so.
func (c *checker) violations() []Violation {
	if c.more == 0 {
		return c.found
	}
	return append(c.found, Violation{
		Field:       c.first,
		Description: fmt.Sprintf("%d more violations, from this field on, are not listed; correct these first", c.more),
	})
}

// inRange reports whether value is within low and high, both inclusive, and adds a violation if not.
func (c *checker) inRange(at, name string, value, low, high int64) bool {
	switch {
	case value < low:
		c.addf(at, name, "%d is less than %d; use %d to %d", value, low, low, high)
	case value > high:
		c.addf(at, name, "%d is more than %d; use %d to %d", value, high, low, high)
	default:
		return true
	}
	return false
}

// capped reports whether value is within low and one of the caps, both inclusive, and adds a violation if not.
func (c *checker) capped(at, name string, value, low, limit int64, limitName string) bool {
	if value > limit {
		c.addf(at, name, "%d is beyond %s; use at most that", value, c.limit(limitName, strconv.FormatInt(limit, 10)))
		return false
	}
	return c.inRange(at, name, value, low, limit)
}

// limit is one of the caps as a violation names it: whose it is, its value, and its name in fanout.v1.Caps.
func (c *checker) limit(name, value string) string {
	return "the " + c.whose + "'s cap of " + value + " (" + name + ")"
}

func (c *checker) maxDuration() string { return c.limit("max_duration", show(c.caps.Duration)) }

// atLeast reports whether value is low or more, and adds a violation if not.
func (c *checker) atLeast(at, name string, value, low int64) bool {
	if value < low {
		c.addf(at, name, "%d is less than %d; use %d or more", value, low, low)
		return false
	}
	return true
}

// positive is a duration of which 0 makes no sense: more than 0 and within the cap. An absent one is 0.
func (c *checker) positive(at, name string, pb *durationpb.Duration) time.Duration {
	if pb == nil {
		return 0
	}
	if pb.IsValid() && pb.AsDuration() <= 0 {
		c.addf(at, name, "%s is not more than 0; use more than 0 and at most %s, or leave it out", show(pb.AsDuration()), show(c.caps.Duration))
		return 0
	}
	return c.duration(at, name, pb)
}

// duration is a duration that is given, from 0 to the cap.
func (c *checker) duration(at, name string, pb *durationpb.Duration) time.Duration {
	d := pb.AsDuration() // saturates: what an int64 of nanoseconds cannot hold is beyond every cap
	switch {
	case !pb.IsValid():
		c.addf(at, name, "%d s and %d ns are not a duration; give both the same sign, and less than 1000000000 ns",
			pb.GetSeconds(), pb.GetNanos())
	case d < 0:
		c.addf(at, name, "%s is less than 0; use 0 to %s", show(d), show(c.caps.Duration))
	case d > c.caps.Duration:
		c.addf(at, name, "%s is beyond %s; use at most that", show(d), c.maxDuration())
	default:
		return d
	}
	return 0
}

// utf8 reports whether s can travel in a message again. What comes off the wire always can; a message that was made in
// Go need not.
func (c *checker) utf8(at, name, s string) bool {
	if !utf8.ValidString(s) {
		c.addf(at, name, "%s is not UTF-8; use UTF-8", quote(s))
		return false
	}
	return true
}

// quote is s in quotes, without control characters, cut to maxShownBytes.
func quote(s string) string {
	if len(s) <= maxShownBytes {
		return strconv.Quote(s)
	}
	return strconv.Quote(cut(s, maxShownBytes)) + "…"
}

// cut is at most n bytes of s, at a rune's edge.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for back := 0; back < utf8.UTFMax && n-back > 0; back++ {
		if utf8.RuneStart(s[n-back]) {
			return s[:n-back]
		}
	}
	return s[:n] // not UTF-8
}

// printable replaces what a terminal or a log might act on. Values are quoted before; this is for what libraries say.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

// show is d as people write it: 24h rather than 24h0m0s.
func show(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// showRate is a rate without an exponent where people would not write one.
func showRate(rate float64) string {
	if size := math.Abs(rate); size >= 1e-4 && size < 1e15 {
		return strconv.FormatFloat(rate, 'f', -1, 64)
	}
	return strconv.FormatFloat(rate, 'g', -1, 64)
}
