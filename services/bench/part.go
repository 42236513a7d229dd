package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// part is one thing that is measured.
type part struct {
	name     string
	title    string
	goal     string // of the project, as it stands beside the result
	onDemand bool   // it takes minutes: only by name, or with -all
	run      func(context.Context, *lab) error
}

var parts = []part{
	{
		name: "cpu", title: "CPU per request",
		goal: "worker ≤ 0.95 of wrk's with every outcome streamed, aim 0.85; embedded, whole process, ≤ 1.15",
		run:  measureCPU,
	},
	{
		name: "ingest", title: "What a coordinator takes in",
		goal: "CPU per outcome ≤ 0.04 of wrk's CPU per request",
		run:  measureIngest,
	},
	{
		name: "arrivals", title: "Arrivals at the target",
		goal: "off the grid by p50 ≤ 0.1 ms and p99 ≤ 0.3 ms, and less than half of vegeta's; dispersion at 5,000/s ≤ 0.5",
		run:  measureArrivals,
	},
	{
		name: "memory", title: "10,000 connections in flight in one worker",
		goal: "≤ 150 MiB, no errors",
		run:  measureMemory,
	},
	{
		name: "long", title: "Many requests in one run", onDemand: true,
		goal: "10,000,000 requests: less than 1 MiB per minute after the first, counts exact",
		run:  measureLong,
	},
	{
		name: "accuracy", title: "Percentiles beside the target's own",
		goal: "service time p50 and p99 within 3 % or 50 µs",
		run:  measureAccuracy,
	},
	{
		name: "stall", title: "A target that stalls 1 s every 10 s, at 1,000/s",
		goal: "response time p99 ≥ 900 ms, arrivals on schedule",
		run:  measureStall,
	},
	{
		name: "call", title: "A direct call of fifty URLs beside an http.Client in the caller",
		goal: "time and CPU ≤ 1.2 of the client's",
		run:  measureCall,
	},
	{
		name: "lease", title: "What a lease costs the worker",
		goal: "CPU per request ≤ 1.01 of that without, every outcome streamed",
		run:  measureLease,
	},
	{
		name: "grants", title: "Grants of a closed loop",
		goal: "no sender waits for grants at 50,000/s, and a worker that is 50 times slower holds no run up",
		run:  measureGrants,
	},
	{
		name: "scale", title: "One coordinator over many workers", onDemand: true,
		goal: "none but to know what a worker and an outcome cost, and where it bends",
		run:  measureScale,
	},
}

func partNames() []string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	return names
}

// lab is what a part measures with, and where it writes down what it did and found. One goroutine uses it.
type lab struct {
	*bench
	text     []string // paragraphs
	tables   []*table
	skipped  []string // peers, with the reason
	commands []string // each once, as people would type it
}

// carryOut measures a part and returns its section, which says so if it failed.
func (b *bench) carryOut(ctx context.Context, p part) (string, error) {
	l := &lab{bench: b}
	err := p.run(ctx, l)
	if err != nil {
		l.say("**Failed:** %v", err)
	}
	return l.section(p), err
}

// say adds a paragraph.
func (l *lab) say(format string, args ...any) { l.text = append(l.text, fmt.Sprintf(format, args...)) }

// skip notes that a peer is not in the tables.
func (l *lab) skip(name, why string) { l.skipped = append(l.skipped, name+" ("+why+")") }

// table adds a table with these columns.
func (l *lab) table(columns ...string) *table {
	t := &table{columns: columns}
	l.tables = append(l.tables, t)
	return t
}

// Ports are different in each run: which they are says nothing; nor do the numbers of what is made for one process after the other.
var (
	ports   = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	lists   = regexp.MustCompile(`(127\.0\.0\.1:PORT,){2,}127\.0\.0\.1:PORT`)
	numbers = regexp.MustCompile(`(/(?:worker|store))-\d+`)
)

// ran notes a command. Paths of this run's temporary directory, and the binaries', are shortened.
func (l *lab) ran(line string) {
	names := []string{l.fanout, "fanout", l.self, "bench", l.dir, "$DIR"}
	if l.ram != "" {
		names = append(names, l.ram, "$RAM")
	}
	for _, p := range l.others {
		if p.path != "" {
			names = append(names, p.path, p.name)
		}
	}
	line = ports.ReplaceAllString(strings.NewReplacer(names...).Replace(line), "127.0.0.1:PORT")
	line = numbers.ReplaceAllString(lists.ReplaceAllString(line, "127.0.0.1:PORT,…"), "$1-N")
	if !slices.Contains(l.commands, line) {
		l.commands = append(l.commands, line)
	}
}

// section is the part as Markdown.
func (l *lab) section(p part) string {
	var s strings.Builder
	fmt.Fprintf(&s, "\n## %s (%s)\n\nGoal: %s.\n", p.title, p.name, p.goal)
	for _, t := range l.tables {
		s.WriteString("\n" + t.String())
	}
	for _, text := range l.text {
		s.WriteString("\n" + text + "\n")
	}
	if len(l.skipped) > 0 {
		fmt.Fprintf(&s, "\nSkipped: %s.\n", strings.Join(l.skipped, "; "))
	}
	if len(l.commands) > 0 {
		fmt.Fprintf(&s, "\n```\n%s\n```\n", strings.Join(l.commands, "\n"))
	}
	return s.String()
}
