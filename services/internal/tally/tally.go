// Package tally is counts and histograms of outcomes, and the account of a shard that is made from them. Tallies merge
// exactly, in any order. It is plain data: no proto, no clock, no lock.
package tally

import (
	"slices"
	"time"

	"github.com/fanout-load/fanout/services/internal/histogram"
	"github.com/fanout-load/fanout/services/internal/outcome"
)

// MaxExamples is how many different messages of an error class are kept: enough to see what goes on, and a bound on what a
// hostile target can make us hold.
const MaxExamples = 5

// Tally is counts and histograms of outcomes. The zero value is empty and ready. One goroutine at a time may use it.
type Tally struct {
	Counts        Counts
	ByStatus      map[int32]int64 // responses by HTTP status
	Errors        map[outcome.Class]*ErrorCount
	NotSent       [outcome.ReasonCount]int64 // by reason
	SentBytes     int64                      // of request bodies
	ReceivedBytes int64                      // of response bodies
	Service       histogram.Histogram        // sent to last byte, of responses
	Response      histogram.Histogram        // due to last byte, of responses
	Lateness      histogram.Histogram        // due to sent, of responses and errors
	FirstByte     histogram.Histogram        // sent to first byte, of responses
	Folded        int64                      // outcomes that are in no batch
	Records       int64                      // outcomes that are in a batch
	Lost          int64                      // of those, outcomes whose batch did not arrive; known to who reads a stream
	Stalled       time.Duration              // time in which senders waited for the stream
	Groups        map[string]*Tally          // by the group of the slot's request; without groups of their own
}

// ErrorCount is the errors of one class.
type ErrorCount struct {
	Count    int64
	Examples []string // different ones, sorted, at most MaxExamples
}

// Add adds one outcome, and adds it to its group unless group is "". It counts the slot as planned only in the group:
// where the shard's other slots are, the caller knows.
func (t *Tally) Add(o *outcome.Outcome, group string) {
	t.add(o)
	if group == "" {
		return
	}
	g := t.group(group)
	g.add(o)
	g.Counts.Planned++
}

func (t *Tally) add(o *outcome.Outcome) {
	switch {
	case o.NotSent != outcome.Sent:
		t.AddNotSent(o.NotSent, 1)
		return
	case o.Error != outcome.NoError:
		t.Counts.Errors++
		t.errors(o.Error).add(1, o.Message)
	default:
		t.Counts.Responses++
		if t.ByStatus == nil {
			t.ByStatus = make(map[int32]int64)
		}
		t.ByStatus[o.Status]++
		t.Service.Record(o.Service)
		t.Response.Record(o.Response())
		t.FirstByte.Record(o.FirstByte)
	}
	t.Lateness.Record(o.Lateness)
	t.SentBytes += o.SentBytes
	t.ReceivedBytes += o.ReceivedBytes
}

// AddNotSent counts n slots that were not sent.
func (t *Tally) AddNotSent(reason outcome.Reason, n int64) {
	t.Counts.NotSent += n
	t.NotSent[reason] += n
}

func (t *Tally) errors(class outcome.Class) *ErrorCount {
	e := t.Errors[class]
	if e == nil {
		if t.Errors == nil {
			t.Errors = make(map[outcome.Class]*ErrorCount)
		}
		e = new(ErrorCount)
		t.Errors[class] = e
	}
	return e
}

func (t *Tally) group(name string) *Tally {
	g := t.Groups[name]
	if g == nil {
		if t.Groups == nil {
			t.Groups = make(map[string]*Tally)
		}
		g = new(Tally)
		t.Groups[name] = g
	}
	return g
}

// Merge adds all of o, which stays as it is; nil adds nothing. Any order and any grouping of merges gives the same tally.
func (t *Tally) Merge(o *Tally) {
	if o == nil {
		return
	}
	t.Counts.merge(o.Counts)
	if t.ByStatus == nil && len(o.ByStatus) > 0 {
		t.ByStatus = make(map[int32]int64)
	}
	for status, n := range o.ByStatus {
		t.ByStatus[status] += n
	}
	for class, e := range o.Errors {
		t.errors(class).merge(e)
	}
	for reason, n := range o.NotSent {
		t.NotSent[reason] += n
	}
	t.SentBytes += o.SentBytes
	t.ReceivedBytes += o.ReceivedBytes
	t.Service.Merge(&o.Service)
	t.Response.Merge(&o.Response)
	t.Lateness.Merge(&o.Lateness)
	t.FirstByte.Merge(&o.FirstByte)
	t.Folded += o.Folded
	t.Records += o.Records
	t.Lost += o.Lost
	t.Stalled += o.Stalled
	for name, g := range o.Groups {
		t.group(name).Merge(g)
	}
}

// Reset empties the tally, which keeps its memory, and its groups, for what comes.
func (t *Tally) Reset() {
	for _, h := range []*histogram.Histogram{&t.Service, &t.Response, &t.Lateness, &t.FirstByte} {
		h.Reset()
	}
	for _, g := range t.Groups {
		g.Reset()
	}
	clear(t.ByStatus)
	clear(t.Errors)
	*t = Tally{
		ByStatus: t.ByStatus, Errors: t.Errors, Groups: t.Groups,
		Service: t.Service, Response: t.Response, Lateness: t.Lateness, FirstByte: t.FirstByte,
	}
}

// Clone is a copy that shares nothing with t.
func (t *Tally) Clone() *Tally {
	c := new(Tally)
	c.Merge(t)
	return c
}

func (e *ErrorCount) add(n int64, message string) {
	e.Count += n
	if message == "" || len(e.Examples) == MaxExamples && message >= e.Examples[MaxExamples-1] {
		return
	}
	at, found := slices.BinarySearch(e.Examples, message)
	if found {
		return
	}
	// The least ones are kept, whatever the order in which they came: so merging stays exact.
	e.Examples = slices.Insert(e.Examples, at, message)
	e.Examples = e.Examples[:min(len(e.Examples), MaxExamples)]
}

func (e *ErrorCount) merge(o *ErrorCount) {
	e.Count += o.Count
	for _, message := range o.Examples {
		e.add(0, message)
	}
}
