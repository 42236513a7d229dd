package runs

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/account"
	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// shard is one worker's part of a run: who has it, what it was granted, and its account. It takes what the worker's streams
// bring; the stream's goroutine writes the account, anyone may read it.
type shard struct {
	index   int // in the run
	id      string
	address string
	hold    hold // the conductor's

	joined bool // it was opened while the run went on

	born     time.Time    // from which heard counts
	heard    atomic.Int64 // when its stream brought something last, in nanoseconds
	refillAt atomic.Int64 // from so many settled slots on the conductor wants to know; math.MaxInt64: never
	refill   func()       // tells it

	mu        sync.Mutex
	instance  string           // guarded by mu, like what follows
	worker    *dispatch.Worker // nil: it was never reached
	account   *account.Account
	failure   *run.Failure
	effort    *run.Effort // nil: it did not finish
	completed bool        // it ran out what it was granted, or the load ended
	blocked   string      // what its egress guard refused, when that ended it
	halted    bool        // it was stopped
	reason    outcome.Reason
	offset    *time.Duration // when it began, from the run's start
	begin     time.Duration  // the start that it was told, on its clock; 0: none
	start     time.Time      // the run's
	ended     bool           // the run has its account: what the stream still brings is too late
}

func newShard(index int, address string, endless bool, groups []string) *shard {
	s := &shard{
		index: index, id: fmt.Sprintf("s%d", index), address: address, born: time.Now(),
		account: account.New(endless, groups), reason: outcome.NotSentLeaseLost,
	}
	s.refillAt.Store(math.MaxInt64)
	return s
}

// hear notes that the stream has brought something.
func (s *shard) hear() { s.heard.Store(int64(time.Since(s.born))) }

// silent reports whether the stream has brought nothing for as long as it takes a worker to send four tallies.
func (s *shard) silent(now time.Time) bool {
	return s.quiet(now) >= 2*tick
}

// quiet is for how long the stream has brought nothing.
func (s *shard) quiet(now time.Time) time.Duration {
	return now.Sub(s.born) - time.Duration(s.heard.Load())
}

// Started implements dispatch.Sink.
func (s *shard) Started(sequence int64) {
	s.hear()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.account.Started(sequence)
	s.checkAccount()
}

// Outcomes implements dispatch.Sink.
func (s *shard) Outcomes(sequence int64, rows []outcome.Outcome) {
	s.hear()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.account.Outcomes(sequence, rows)
	s.checkAccount()
	s.checkRefill()
}

// Tally implements dispatch.Sink.
func (s *shard) Tally(sequence int64, t *tally.Snapshot) {
	s.hear()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.account.Tally(sequence, t)
	s.checkAccount()
	s.checkRefill()
}

// checkRefill tells the conductor, once, when the shard has used half of what it has in hand. The lock is held.
func (s *shard) checkRefill() {
	if at := s.refillAt.Load(); s.account.Settled() >= at && s.refillAt.CompareAndSwap(at, math.MaxInt64) {
		s.refill()
	}
}

// Finished implements dispatch.Sink.
func (s *shard) Finished(sequence int64, final *dispatch.Final) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if final.Died {
		s.account.Died(final.Claimed)
		s.fail(run.Lost, "worker "+s.address+" was lost: its process died")
		return
	}
	s.effort, s.completed, s.halted, s.blocked = final.Effort, final.Completed, final.Stopped, final.Blocked
	reason := s.reason
	if final.Blocked != "" && reason == outcome.NotSentLeaseLost {
		reason = outcome.NotSentPolicyBlocked
	}
	if final.Completed && reason == outcome.NotSentLeaseLost {
		reason = outcome.NotSentRunEnded // the load's end came before the grants that were just being stored
	}
	s.account.Finished(sequence, final.Tally, final.Granted, reason)
	s.checkAccount()
	s.noteOffset()
}

// noteOffset notes when the shard began, on our clock. The lock is held.
func (s *shard) noteOffset() {
	if s.effort == nil || s.begin == 0 || s.worker == nil || s.joined {
		return
	}
	meant, err := s.worker.Clock(s.start)
	if err != nil {
		return
	}
	offset := s.begin + s.effort.StartLateness - meant
	s.offset = &offset
}

// checkAccount makes what does not add up the worker's failure, at once: a stream that breaks off later is the lesser one. The
// lock is held.
func (s *shard) checkAccount() {
	if s.account.Fault != "" {
		s.fail(run.Inconsistent, "the account of worker "+s.address+" does not add up: "+s.account.Fault)
	}
}

// end makes the account final: nothing that the stream still brings counts any more.
func (s *shard) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.End()
	s.checkAccount()
	s.ended = true
}

// setWorker notes the worker that answered.
func (s *shard) setWorker(w *dispatch.Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worker = w
	if id := w.InstanceID(); id != "" {
		s.instance = id
	}
}

// instanceID is the worker's process; "" if it is not known.
func (s *shard) instanceID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.instance
}

// refuse notes why the worker did not take the shard.
func (s *shard) refuse(class run.FailureClass, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(class, message)
}

// fail keeps the first failure. The lock is held.
func (s *shard) fail(class run.FailureClass, message string) {
	if s.failure == nil {
		s.failure = &run.Failure{Class: class, Message: message}
	}
}

// blameStop notes that the worker has stopped the shard although this coordinator did not ask for it, if that is so.
func (s *shard) blameStop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.halted {
		s.fail(run.Stopped, "worker "+s.address+" was told to stop everything")
	}
}

// isBarred reports whether the worker takes no part in this run any more: an admin has stopped it, and is not to be worked against.
func (s *shard) isBarred() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure != nil && s.failure.Class == run.Stopped
}

// lose notes that the worker is lost.
func (s *shard) lose(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.Lose()
	s.fail(run.Lost, message)
}

// result is the shard's tally, and the worker's part of the run as callers see it.
func (s *shard) result() (*tally.Tally, run.WorkerResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.account.Current()
	result := run.WorkerResult{
		Address: s.address, InstanceID: s.instance, Failure: s.failure, Effort: s.effort, StartOffset: s.offset,
	}
	groups := t.Groups
	t.Groups = nil
	result.Tally = t.Snapshot(false)
	t.Groups = groups
	return t, result
}
