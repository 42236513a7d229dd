package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// breakdown is what the counts are made of: responses by status, errors by class with examples, slots not sent by reason,
// each with its share of all slots.
func (p *page) breakdown() []string {
	t := table{columns: []column{{}, {}, {}}}
	planned := p.tally.Counts.Planned
	heading := func(title string, n int64) {
		t.rows = append(t.rows, row{cells: []string{title, Number(n), share(n, planned)}, heading: true})
	}
	if len(p.tally.ByStatus) > 0 {
		heading("Responses", p.tally.Counts.Responses)
	}
	for _, status := range slices.Sorted(maps.Keys(p.tally.ByStatus)) {
		n := p.tally.ByStatus[status]
		t.add(fmt.Sprintf("  %d", status), Number(n), share(n, planned))
	}
	if len(p.tally.Errors) > 0 {
		heading("Errors", p.tally.Counts.Errors)
	}
	for _, e := range p.tally.Errors {
		t.add("  "+e.Class.String(), Number(e.Count), share(e.Count, planned))
		for _, example := range e.Examples {
			t.below(clean(example))
		}
	}
	if len(p.tally.NotSent) > 0 {
		heading("Not sent", p.tally.Counts.NotSent)
	}
	for _, n := range p.tally.NotSent {
		t.add("  "+n.Reason.String(), Number(n.Count), share(n.Count, planned))
	}
	return t.lines(p.width, p.palette)
}

// latencies is the table of latencies, and what to know about its rows.
func (p *page) latencies() []string {
	t := table{columns: []column{
		{head: "Latency"},
		{head: "mean", drop: 9},
		{head: "p50"},
		{head: "p75", drop: 8},
		{head: "p90", drop: 6},
		{head: "p95", drop: 7},
		{head: "p99"},
		{head: "p99.9", drop: 5},
		{head: "max"},
	}}
	s := p.tally
	for _, l := range []struct {
		name string
		of   *tally.Latency
	}{
		{"service time", &s.Service}, {"response time", &s.Response}, {"first byte", &s.FirstByte}, {"lateness", &s.Lateness},
	} {
		if l.of.Count > 0 {
			t.add("  "+l.name, latency(l.of.Mean()), latency(l.of.P50), latency(l.of.P75), latency(l.of.P90), latency(l.of.P95),
				latency(l.of.P99), latency(l.of.P999), latency(l.of.Max))
		}
	}
	if len(t.rows) == 0 {
		return nil
	}
	lines := t.lines(p.width, p.palette)
	// Response time has the same values as service time, only from another start; each clamps on its own.
	if n := s.Response.Clamped; n > 0 {
		lines = append(lines, p.note(Count(n, "value")+plural(n, " is", " are")+" beyond 1 h; the percentiles take "+
			plural(n, "it", "them")+" as 1 h.")...)
	}
	if n := s.Counts.Errors; n > 0 && s.Service.Count > 0 {
		lines = append(lines, p.note(Count(n, "error")+plural(n, " is", " are")+" not in these rows, except lateness.")...)
	}
	return lines
}

func (p *page) bytes() []string {
	s := p.tally
	if s.ReceivedBytes == 0 && s.SentBytes == 0 {
		return nil
	}
	received := size(s.ReceivedBytes)
	if v, ok := perSecond(s.ReceivedBytes, p.elapsed); ok {
		received += ", " + size(int64(v+0.5)) + "/s"
	}
	return []string{"Bodies received " + received + "; sent " + size(s.SentBytes)}
}

func (p *page) groups() []string {
	if len(p.tally.Groups) == 0 {
		return nil
	}
	t := table{columns: []column{{head: "Groups"}, {head: "responses"}, {head: "errors"}, {head: "service p50"}, {head: "service p99"}}}
	for _, name := range slices.Sorted(maps.Keys(p.tally.Groups)) {
		g := p.tally.Groups[name]
		t.add("  "+clean(name), Number(g.Counts.Responses), Number(g.Counts.Errors),
			quantile(&g.Service, g.Service.P50), quantile(&g.Service, g.Service.P99))
	}
	return t.lines(p.width, p.palette)
}

// workers is one row a worker, if there are several, with the slowest marked and failures told below.
func (p *page) workers() []string {
	if len(p.run.Workers) < 2 {
		return nil
	}
	t := table{columns: []column{
		{head: "Workers"},
		{head: "responses"},
		{head: "errors"},
		{head: "not sent"},
		{head: "unknown"},
		{head: "service p99", drop: 1},
		{left: true, drop: 2},
	}}
	slow := slowest(p.run.Workers)
	for i, worker := range p.run.Workers {
		s := worker.Tally
		if s == nil {
			s = new(tally.Snapshot)
		}
		mark := ""
		if i == slow {
			mark = "slowest"
		}
		t.add("  "+clean(worker.Address), Number(s.Counts.Responses), Number(s.Counts.Errors), Number(s.Counts.NotSent), Number(s.Counts.Unknown),
			quantile(&s.Service, s.Service.P99), mark)
		if f := worker.Failure; f != nil {
			t.below(strings.TrimSuffix(f.Class.String()+": "+clean(f.Message), ": "))
		}
	}
	lines := t.lines(p.width, p.palette)
	if spread := p.run.StartSpread; spread != nil {
		lines = append(lines, p.note("They started within "+latency(*spread)+" of one another.")...)
	}
	return lines
}

// slowest is the index of the worker with the greatest 99th percentile of service time; -1 when there are not two to
// compare, or all are the same.
func slowest(workers []run.WorkerResult) int {
	slow, differ := -1, false
	for i, w := range workers {
		if w.Tally == nil || w.Tally.Service.Count == 0 {
			continue
		}
		if slow < 0 {
			slow = i
			continue
		}
		most, p99 := workers[slow].Tally.Service.P99, w.Tally.Service.P99
		differ = differ || p99 != most
		if p99 > most {
			slow = i
		}
	}
	if !differ {
		return -1
	}
	return slow
}

// quantile is a figure of l, or a dash when l has no values.
func quantile(l *tally.Latency, d time.Duration) string {
	if l.Count == 0 {
		return "–"
	}
	return latency(d)
}

// notes are what limits the report itself.
func (p *page) notes() []string {
	var lines []string
	switch p.run.LimitedBy {
	case run.ByTarget:
		lines = p.note("Limited by the TARGET: " + clean(p.run.LimitedReason) + ".")
	case run.BySchedule:
		lines = p.note("Limited by the SCHEDULE: it was carried out as written.")
	}
	asked := p.run.Plan != nil && p.run.Plan.Outcomes.Detail == plan.DetailTallyOnly
	if n := p.tally.Folded; n > 0 && !asked {
		lines = append(lines, p.note(Count(n, "outcome")+plural(n, " was", " were")+" folded: counted, but not listed one by one.")...)
	}
	if n := p.tally.Lost; n > 0 {
		lines = append(lines, p.note(Count(n, "outcome")+plural(n, " is", " are")+" counted, but "+plural(n, "its row", "their rows")+
			" did not arrive, because a stream broke.")...)
	}
	if d := p.tally.Stalled; d > 0 {
		lines = append(lines, p.note("Senders waited "+span(d)+" in all because the stream was slower than the load.")...)
	}
	return lines
}

// names are how to find the run again.
func (p *page) names() []string {
	var words []string
	if p.run.ID != "" {
		words = append(words, "Run "+clean(p.run.ID))
	}
	if p.run.Name != "" {
		words = append(words, clean(p.run.Name))
	}
	for _, key := range slices.Sorted(maps.Keys(p.run.Labels)) {
		words = append(words, clean(key)+"="+clean(p.run.Labels[key]))
	}
	if p.run.Creator != "" {
		words = append(words, "created by "+clean(p.run.Creator))
	}
	if len(words) == 0 {
		return nil
	}
	for i := range words[1:] {
		words[i] += ","
	}
	return wrap(words, p.width, len("  "))
}

// note is a sentence about what stands above it.
func (p *page) note(sentence string) []string {
	return wrap(strings.Fields(sentence), p.width, 0)
}
