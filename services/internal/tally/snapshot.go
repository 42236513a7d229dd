package tally

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fanout-load/fanout/services/internal/histogram"
	"github.com/fanout-load/fanout/services/internal/outcome"
)

// Snapshot is a tally at one moment, as it travels, is shown and is kept: the histograms as their figures, with or without
// their buckets. It is not changed once it is made, and may be read by many goroutines.
type Snapshot struct {
	Counts        Counts
	ByStatus      map[int32]int64
	Errors        []ClassCount  // most frequent first
	NotSent       []ReasonCount // most frequent first
	SentBytes     int64
	ReceivedBytes int64
	Service       Latency
	Response      Latency
	Lateness      Latency
	FirstByte     Latency
	Folded        int64
	Records       int64
	Lost          int64
	Stalled       time.Duration
	Groups        map[string]*Snapshot
	Seconds       []Second // in a worker's stream only, ascending
}

// ClassCount is the errors of one class.
type ClassCount struct {
	Class    outcome.Class
	Count    int64
	Examples []string
}

// ReasonCount is the slots not sent for one reason.
type ReasonCount struct {
	Reason outcome.Reason
	Count  int64
}

// Second is the outcomes that came about in one second of the run's clock.
type Second struct {
	Second   int64
	Tally    *Snapshot
	Complete bool // nothing will be added to it
}

// Latency is the figures of one histogram.
type Latency struct {
	histogram.Stats
	P50, P75, P90, P95, P99, P999 time.Duration
	Buckets                       []byte // HdrHistogram V2, uncompressed; nil: not carried
}

// Snapshot is the tally as it is now, with the histograms' buckets if buckets is set.
func (t *Tally) Snapshot(buckets bool) *Snapshot {
	s := t.Figures(buckets)
	if len(t.Groups) > 0 {
		s.Groups = make(map[string]*Snapshot, len(t.Groups))
		for name, g := range t.Groups {
			s.Groups[name] = g.Figures(buckets)
		}
	}
	return s
}

// Figures is the snapshot without groups.
func (t *Tally) Figures(buckets bool) *Snapshot {
	s := &Snapshot{
		Counts:        t.Counts,
		ByStatus:      maps.Clone(t.ByStatus),
		SentBytes:     t.SentBytes,
		ReceivedBytes: t.ReceivedBytes,
		Service:       latency(&t.Service, buckets),
		Response:      latency(&t.Response, buckets),
		Lateness:      latency(&t.Lateness, buckets),
		FirstByte:     latency(&t.FirstByte, buckets),
		Folded:        t.Folded,
		Records:       t.Records,
		Lost:          t.Lost,
		Stalled:       t.Stalled,
	}
	for class, e := range t.Errors {
		s.Errors = append(s.Errors, ClassCount{class, e.Count, slices.Clone(e.Examples)})
	}
	slices.SortFunc(s.Errors, func(a, b ClassCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Class, b.Class))
	})
	for reason, n := range t.NotSent {
		if n > 0 {
			s.NotSent = append(s.NotSent, ReasonCount{outcome.Reason(reason), n})
		}
	}
	slices.SortStableFunc(s.NotSent, func(a, b ReasonCount) int { return cmp.Compare(b.Count, a.Count) })
	return s
}

func latency(h *histogram.Histogram, buckets bool) Latency {
	l := Latency{Stats: h.Stats()}
	if l.Count == 0 {
		return l
	}
	q := h.Quantiles(0.50, 0.75, 0.90, 0.95, 0.99, 0.999)
	l.P50, l.P75, l.P90, l.P95, l.P99, l.P999 = q[0], q[1], q[2], q[3], q[4], q[5]
	if buckets {
		l.Buckets = h.Append(nil)
	}
	return l
}

// Histogram is the distribution of a latency that carries its buckets.
func (l *Latency) Histogram() (*histogram.Histogram, error) {
	return histogram.Decode(l.Buckets, l.Stats)
}

// Tally is the tally of which s is the snapshot; s has to carry its buckets. It fails when a histogram is malformed, or
// does not have as many values as the counter that it goes with.
func (s *Snapshot) Tally() (*Tally, error) {
	t := &Tally{
		Counts:        s.Counts,
		ByStatus:      maps.Clone(s.ByStatus),
		SentBytes:     s.SentBytes,
		ReceivedBytes: s.ReceivedBytes,
		Folded:        s.Folded,
		Records:       s.Records,
		Lost:          s.Lost,
		Stalled:       s.Stalled,
	}
	for _, e := range s.Errors {
		t.errors(e.Class).merge(&ErrorCount{Count: e.Count, Examples: e.Examples})
	}
	for _, n := range s.NotSent {
		t.NotSent[n.Reason] += n.Count
	}
	for _, h := range []struct {
		name string
		from *Latency
		to   *histogram.Histogram
		want int64
	}{
		{"service_time", &s.Service, &t.Service, s.Counts.Responses},
		{"response_time", &s.Response, &t.Response, s.Counts.Responses},
		{"first_byte_time", &s.FirstByte, &t.FirstByte, s.Counts.Responses},
		{"lateness", &s.Lateness, &t.Lateness, s.Counts.Responses + s.Counts.Errors},
	} {
		if h.from.Count != h.want {
			return nil, fmt.Errorf("%s has %d values where the counts say %d", h.name, h.from.Count, h.want)
		}
		decoded, err := h.from.Histogram()
		if err != nil {
			return nil, fmt.Errorf("decoding %s: %w", h.name, err)
		}
		*h.to = *decoded
	}
	for name, g := range s.Groups {
		decoded, err := g.Tally()
		if err != nil {
			return nil, fmt.Errorf("group %q: %w", name, err)
		}
		if t.Groups == nil {
			t.Groups = make(map[string]*Tally, len(s.Groups))
		}
		t.Groups[name] = decoded
	}
	return t, nil
}
