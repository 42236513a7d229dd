package batch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

// told is the seconds of a tally with their responses, those that are complete with a full stop.
func told(m sent) string {
	var all []string
	for _, second := range tallyOf(m).GetSeconds() {
		end := ""
		if second.GetComplete() {
			end = "."
		}
		all = append(all, fmt.Sprintf("%d:%d%s", second.GetSecond(), second.GetTally().GetCounts().GetResponses(), end))
	}
	return strings.Join(all, " ")
}

// A second is told until it is acknowledged, to whoever listens, and one that is not complete whatever is acknowledged.
func TestSecondsUntilAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, begin := begun(), time.Now()
		at := func(d time.Duration) { time.Sleep(d - time.Since(begin)); synctest.Wait() }
		put := func(d time.Duration) { at(d); l.put(cameAt(d)) }
		put(100 * ms)
		put(1100 * ms)
		at(1200 * ms)
		first := l.attach(t)
		at(2100 * ms) // tallies at 1.2, 1.5 and 2 s
		l.batcher.Acknowledge(1)
		first.cancel()
		put(2200 * ms)
		at(2300 * ms)
		second := l.attach(t)
		l.batcher.Acknowledge(5)
		l.batcher.Acknowledge(2) // came late
		at(2600 * ms)
		put(2700 * ms)
		final := l.finish()
		synctest.Wait()
		var got []string
		for _, m := range append(first.tallies(), second.tallies()...) {
			got = append(got, told(m))
		}
		want := []string{
			"0:1. 1:1", "0:1. 1:1", "0:1. 1:1. 2:0", // until the first stream breaks
			"1:1. 2:1", "2:1", "2:2.",
		}
		if !slices.Equal(got, want) {
			t.Errorf("seconds of the tallies = %q, want %q", got, want)
		}
		if c := final.GetFinished().GetTally().GetCounts(); c.GetResponses() != 4 {
			t.Errorf("final tally = %v, want 4 responses", c)
		}
	})
}

// The first second that is not complete is told even if nothing came about in it: an outcome of it may come late.
func TestFirstOpenSecondIsTold(t *testing.T) {
	t.Parallel()
	var b book
	seconds := func(now time.Duration) (all []int64) {
		for _, second := range b.seconds(now) {
			all = append(all, second.Second)
		}
		return all
	}
	b.observe(1900*ms, false)
	if got, want := seconds(2100*ms), []int64{1, 2}; !slices.Equal(got, want) {
		t.Errorf("seconds() = %v, want %v", got, want)
	}
	b.add(&outcome.Outcome{Status: 200, Due: 1800 * ms, Service: 150 * ms}, "")
	if got, want := seconds(2200*ms), []int64{1, 2}; !slices.Equal(got, want) {
		t.Errorf("seconds() after an outcome of the first = %v, want %v", got, want)
	}
}

// Of a shard that nobody asks for longer than a message can carry, the oldest seconds are not told apart any more; its totals are.
func TestSecondsThatNobodyAsksFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, begin := begun(), time.Now()
		const all = maxFolded + 30
		for range all {
			l.put(cameAt(time.Since(begin)))
			time.Sleep(time.Second)
		}
		s := l.attach(t)
		tallies := s.tallies()
		if len(tallies) == 0 {
			t.Fatal("no tally came with the stream")
		}
		got := tallyOf(tallies[0])
		if n := len(got.GetSeconds()); n > maxFolded+1 || got.GetCounts().GetResponses() != all {
			t.Errorf("tally has %d seconds and %d responses, want at most %d, and %d", n, got.GetCounts().GetResponses(), maxFolded+1, all)
		}
		l.finish()
		l.leaveAll()
	})
}
