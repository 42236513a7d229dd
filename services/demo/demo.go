// Package demo tells the article that fanout grew from by running it: ten requests one after the other, ten at once, and
// then so many at once that the article's programs lost some.
package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/internal/filelimit"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/report"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// Config configures the demo.
type Config struct {
	Binary string // the fanout program, whose services are started as processes
	Out    io.Writer
}

// bursts are how many requests are sent at once: the article lost some at 400 and had connections reset at 800.
var bursts = []int64{300, 400, 800, 10_000}

// spareFiles is how many file descriptors a process of the demo needs beside one for each connection.
const spareFiles = 256

// Run runs the demo: it starts a target, a worker and a coordinator as processes on ports that the system chooses, and ends
// them. It fails when anything is lost.
func Run(ctx context.Context, config Config) error {
	if limit := filelimit.Open(); limit > 0 && limit < 2*spareFiles {
		return fmt.Errorf("a process here may have only %d files open, and the demo needs %d at least; raise the limit with ulimit -n", limit, 2*spareFiles)
	}
	fmt.Fprintln(config.Out, "fanout demo: a target that sleeps 0 to 200 ms and counts, a worker and a coordinator, all on this machine.")
	parts, err := startParts(ctx, config.Binary)
	if err != nil {
		return err
	}
	defer parts.stop()
	d := &demo{out: config.Out, parts: parts, url: "http://" + parts.target.address + "/inc"}
	alone, err := d.ten(ctx, "1. Ten requests one after the other", 1)
	if err != nil {
		return err
	}
	together, err := d.ten(ctx, "2. Ten requests at once", 0)
	if err != nil {
		return err
	}
	d.compare(alone, together)
	return d.bursts(ctx)
}

type demo struct {
	out   io.Writer
	parts *parts
	url   string
}

// ten makes ten requests straight to the worker, with as many at once as said (0: all), and shows both sides of it.
func (d *demo) ten(ctx context.Context, title string, concurrency int64) (time.Duration, error) {
	fmt.Fprintf(d.out, "\n%s\n", title)
	conn, err := grpcdial.New(d.parts.worker.address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	p := &plan.Plan{
		Requests: []plan.Request{{URL: d.url}},
		Load:     plan.Load{Requests: 10},
		Outcomes: plan.OutcomeOptions{BodyBytes: 1024},
	}
	if concurrency > 0 {
		p.Load.ClosedLoop = &plan.ClosedLoop{Concurrency: concurrency}
	}
	d.parts.target.lines() // what was printed before
	var took time.Duration
	final, err := client.NewCall(conn).FanOut(ctx, p, func(o *outcome.Outcome) error {
		took = max(took, o.Due+o.Response())
		body := o.Message
		if o.Body != nil {
			body = trimLine(string(o.Body.Bytes))
		}
		_, err := fmt.Fprintf(d.out, "   %6.3f s  %3d  %s\n", (o.Due + o.Response()).Seconds(), o.Status, report.Clean(body))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("calling the worker: %w", err)
	}
	if final.Counts.Responses != 10 {
		return 0, fmt.Errorf("%d of 10 requests were answered", final.Counts.Responses)
	}
	fmt.Fprintf(d.out, "   the target's side: %s\n", summarize(d.parts.target.lines()))
	fmt.Fprintf(d.out, "   took %.2f s\n", took.Seconds())
	return took, nil
}

func (d *demo) compare(alone, together time.Duration) {
	fmt.Fprintf(d.out, "\n   one after the other %.2f s, at once %.2f s: %.1f times as fast;\n", alone.Seconds(), together.Seconds(),
		alone.Seconds()/together.Seconds())
	fmt.Fprintf(d.out, "   the longest of the ten sleeps was %.2f s, and that is all that it took.\n", longestSleep(d.parts.target.last).Seconds())
}

// bursts sends ever more requests at once, through the coordinator, and holds the report against the target's own counter.
func (d *demo) bursts(ctx context.Context) error {
	fmt.Fprintf(d.out, "\n3. At once, on new connections each, where the article lost requests at 400 and had resets at 800\n")
	conn, err := grpcdial.New(d.parts.coordinator.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := client.NewCoordinator(conn)
	lost := false
	for _, n := range bursts {
		if room := filelimit.Open() - spareFiles; room > 0 && n > room {
			fmt.Fprintf(d.out, "   %6d: shrunk to %d, since a process here may have only %d files open (see ulimit -n)\n", n, room, filelimit.Open())
			n = room
		}
		before, err := d.parts.count(ctx)
		if err != nil {
			return err
		}
		final, err := d.burst(ctx, c, n)
		if err != nil {
			return err
		}
		after, err := d.parts.count(ctx)
		if err != nil {
			return err
		}
		counts := final.Tally.Counts
		ok := counts.Responses == n && after-before == n
		lost = lost || !ok
		verdict := "nothing lost"
		if !ok {
			verdict = "LOST: " + counts.String() + reasons(final.Tally)
		}
		fmt.Fprintf(d.out, "   %6d sent, %6d answered, the target counted %6d, in %.2f s: %s\n",
			n, counts.Responses, after-before, final.Tally.Response.Max.Seconds(), verdict)
	}
	if lost {
		return fmt.Errorf("requests were lost")
	}
	return nil
}

// reasons is what became of the requests that were not answered.
func reasons(t *tally.Snapshot) string {
	text := ""
	for _, e := range t.Errors {
		text += fmt.Sprintf("; %d × %v: %s", e.Count, e.Class, report.Clean(strings.Join(e.Examples, ", ")))
	}
	for _, n := range t.NotSent {
		text += fmt.Sprintf("; %d not sent: %v", n.Count, n.Reason)
	}
	return text
}

func (d *demo) burst(ctx context.Context, c *client.Coordinator, n int64) (*run.Run, error) {
	created, err := c.Create(ctx, run.NewRun{
		Plan: &plan.Plan{Requests: []plan.Request{{URL: d.url}}, Load: plan.Load{Requests: n}},
		Name: fmt.Sprintf("demo-%d", n),
	})
	if err != nil {
		return nil, fmt.Errorf("creating a run of %d: %w", n, err)
	}
	final, err := c.Watch(ctx, created.ID, func(*run.Run) {})
	if err != nil {
		return nil, fmt.Errorf("watching the run of %d: %w", n, err)
	}
	return final, nil
}
