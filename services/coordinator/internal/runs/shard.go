package runs

import (
	"fmt"
	"sync"

	"github.com/fanout-load/fanout/services/coordinator/internal/account"
	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/coordinator/internal/split"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// shard is one worker's part of a run: who has it, what was granted, and its account. It takes what the worker's stream
// brings; the stream's goroutine writes the account, anyone may read it.
type shard struct {
	id      string
	work    split.Shard
	address string
	stream  *dispatch.Stream // nil: it was never opened
	series  *series
	index   int // in the run, and in the series

	mu      sync.Mutex
	worker  *dispatch.Worker // nil: it was never reached; guarded by mu for those who read it while the run starts
	account *account.Account // guarded by mu
	failure *run.Failure     // guarded by mu
	effort  *run.Effort      // guarded by mu; nil: it did not finish
}

func newShard(index, attempt int, address string, work split.Shard, groups []string, all *series) *shard {
	return &shard{
		id: fmt.Sprintf("s%d-%d", index, attempt), index: index, work: work, address: address, series: all,
		account: account.New(work.Grants.Len(), groups),
	}
}

// Started implements dispatch.Sink.
func (s *shard) Started(sequence int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.Started(sequence)
	s.checkAccount()
}

// Outcomes implements dispatch.Sink.
func (s *shard) Outcomes(sequence int64, rows []outcome.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.Outcomes(sequence, rows)
	s.checkAccount()
}

// Tally implements dispatch.Sink.
func (s *shard) Tally(sequence int64, t *tally.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.Tally(sequence, t)
	s.checkAccount()
	s.moveSeconds()
}

// Finished implements dispatch.Sink.
func (s *shard) Finished(sequence int64, t *tally.Snapshot, effort *run.Effort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.effort = effort
	s.account.Finished(sequence, t)
	s.checkAccount()
	s.moveSeconds()
}

// checkAccount makes what does not add up the worker's failure, at once: a stream that breaks off later is the lesser one. The
// lock is held.
func (s *shard) checkAccount() {
	if s.account.Fault != "" {
		s.fail(run.Inconsistent, "the account of worker "+s.address+" does not add up: "+s.account.Fault)
	}
}

// setWorker notes the worker that answered.
func (s *shard) setWorker(w *dispatch.Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worker = w
}

// lose notes that the stream ended before its time. inFlight: see account.Lose.
func (s *shard) lose(message string, inFlight int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.Lose(inFlight)
	s.fail(run.Lost, message)
	s.moveSeconds()
}

// giveUp notes that the shard never started.
func (s *shard) giveUp(reason outcome.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.GiveUp(reason)
	s.moveSeconds()
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

// moveSeconds hands the seconds that are over to the run's series. The lock is held.
func (s *shard) moveSeconds() {
	over, before := s.account.TakeSeconds()
	s.series.add(s.index, over, before)
}

// result is the shard's tally, and the worker's part of the run as callers see it.
func (s *shard) result() (*tally.Tally, run.WorkerResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.account.Current()
	result := run.WorkerResult{Address: s.address, Failure: s.failure, Effort: s.effort}
	if s.worker != nil {
		result.InstanceID = s.worker.InstanceID()
	}
	groups := t.Groups
	t.Groups = nil
	result.Tally = t.Snapshot(false)
	t.Groups = groups
	return t, result
}
