// Package verify holds what is stored of a run that has ended against itself: the report, the shards, their grants and tallies, and
// the seconds. Each was stored at another moment and on another way, so that a mistake on one of them shows.
package verify

import (
	"context"
	"fmt"

	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// Seconds is where a run's complete seconds are; a store is one.
type Seconds interface {
	Intervals(ctx context.Context, runID string, from int64, n int) (page []store.Interval, more bool, err error)
}

// Run is the checks of a stored run that has ended, in the order in which they were made. It fails when what is stored cannot be read.
func Run(ctx context.Context, seconds Seconds, stored *store.Run) ([]run.Check, error) {
	report, err := wire.DecodeRun(stored.Report)
	if err != nil {
		return nil, err
	}
	if report.Plan == nil {
		return nil, fmt.Errorf("the stored plan is not one that this program understands")
	}
	slots := schedule.New(report.Plan).Slots()
	checks := []run.Check{closure(report, stored, slots)}
	for _, s := range stored.Shards {
		one, err := shard(report, stored, s, slots == schedule.Unbounded)
		if err != nil {
			return nil, err
		}
		checks = append(checks, one)
	}
	checks = append(checks, histograms(report.Tally))
	series, err := series(ctx, seconds, stored, report.Tally)
	if err != nil {
		return nil, err
	}
	return append(checks, series, grants(stored)), nil
}

// check is a check with what was found wrong; "" is nothing.
func check(name, wrong, detail string) run.Check {
	if wrong != "" {
		return run.Check{Name: name, Detail: wrong}
	}
	return run.Check{Name: name, OK: true, Detail: detail}
}

// closure holds the run's counts against each other, against its plan, and against those of its workers.
func closure(report *run.Run, stored *store.Run, slots int64) run.Check {
	c := report.Tally.Counts
	var workers tally.Counts
	for _, w := range report.Workers {
		workers.Planned += w.Tally.Counts.Planned
		workers.Responses += w.Tally.Counts.Responses
		workers.Errors += w.Tally.Counts.Errors
		workers.Unknown += w.Tally.Counts.Unknown
	}
	wrong := ""
	switch {
	case !c.Closed() || c.Pending != 0 || c.InFlight != 0:
		wrong = "the counts do not add up, or slots are open: " + c.String()
	case slots != schedule.Unbounded && c.Planned != slots:
		wrong = fmt.Sprintf("%d slots are accounted for, and the plan has %d", c.Planned, slots)
	case workers.Responses != c.Responses || workers.Errors != c.Errors || workers.Unknown != c.Unknown:
		wrong = fmt.Sprintf("the workers have %d responses, %d errors and %d unknown, and the run has %d, %d and %d",
			workers.Responses, workers.Errors, workers.Unknown, c.Responses, c.Errors, c.Unknown)
	case workers.Planned > c.Planned:
		wrong = fmt.Sprintf("the workers account for %d slots, and the run for %d", workers.Planned, c.Planned)
	case len(stored.Shards) != len(report.Workers):
		wrong = fmt.Sprintf("there are %d shards, and the report has %d workers", len(stored.Shards), len(report.Workers))
	}
	return check("run", wrong, c.String())
}

// shard holds a worker's counts against each other, against its grants, and against its stored tally.
func shard(report *run.Run, stored *store.Run, s store.Shard, endless bool) (run.Check, error) {
	name := fmt.Sprintf("shard %d, %s", s.Index, s.Address)
	if s.Index >= len(report.Workers) {
		return check(name, "the report does not have it", ""), nil
	}
	granted := int64(0)
	for _, g := range stored.Grants {
		if g.Shard == s.Index {
			granted += g.Count
		}
	}
	var base tally.Counts
	if s.Tally != nil {
		t, err := wire.DecodeSnapshot(s.Tally)
		if err != nil {
			return run.Check{}, err
		}
		base = t.Counts
	}
	c := report.Workers[s.Index].Tally.Counts
	wrong := ""
	switch {
	case !c.Closed() || c.Pending != 0 || c.InFlight != 0:
		wrong = "the counts do not add up, or slots are open: " + c.String()
	case !endless && c.Planned != granted || c.Planned > granted:
		wrong = fmt.Sprintf("%d slots are accounted for, and %d were granted", c.Planned, granted)
	case c.Responses < base.Responses || c.Errors < base.Errors:
		wrong = fmt.Sprintf("the report has %d responses and %d errors, and the tally before it %d and %d", c.Responses, c.Errors, base.Responses, base.Errors)
	}
	return check(name, wrong, fmt.Sprintf("%d granted; %v", granted, c)), nil
}

// histograms holds each histogram of the run and of its groups against the counter that it goes with.
func histograms(t *tally.Snapshot) run.Check {
	wrong := ""
	if _, err := t.Tally(); err != nil {
		wrong = err.Error()
	}
	return check("histograms", wrong, fmt.Sprintf("%d service times, %d latenesses", t.Service.Count, t.Lateness.Count))
}

// series adds the seconds up.
func series(ctx context.Context, seconds Seconds, stored *store.Run, t *tally.Snapshot) (run.Check, error) {
	const page = 1000
	var (
		sum  tally.Counts
		next int64
	)
	for more := true; more; {
		var (
			rows []store.Interval
			err  error
		)
		if rows, more, err = seconds.Intervals(ctx, stored.ID, next, page); err != nil {
			return run.Check{}, err
		}
		for _, row := range rows {
			second, err := wire.DecodeSnapshot(row.Tally)
			if err != nil {
				return run.Check{}, err
			}
			if row.Second != next {
				return check("seconds", fmt.Sprintf("second %d is missing", next), ""), nil
			}
			next++
			sum.Responses += second.Counts.Responses
			sum.Errors += second.Counts.Errors
		}
	}
	wrong := ""
	if c := t.Counts; sum.Responses != c.Responses || sum.Errors != c.Errors {
		wrong = fmt.Sprintf("the seconds have %d responses and %d errors, and the run %d and %d", sum.Responses, sum.Errors, c.Responses, c.Errors)
	}
	return check("seconds", wrong, fmt.Sprintf("%d seconds with %d responses and %d errors", next, sum.Responses, sum.Errors)), nil
}
