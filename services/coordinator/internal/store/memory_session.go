package store

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// memorySession is a coordinator's session with a Memory.
type memorySession struct {
	memory *Memory
	epoch  int64
	closed bool // under the memory's mu
}

var _ Store = (*memorySession)(nil)

// Epoch implements Store.
func (s *memorySession) Epoch() int64 { return s.epoch }

// Close implements Store.
func (s *memorySession) Close() error {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	s.closed = true
	return nil
}

// read calls query with the memory's mu held.
func (s *memorySession) read(ctx context.Context, query func(m *Memory) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	return query(s.memory)
}

// write is read for the newest session only.
func (s *memorySession) write(ctx context.Context, apply func(m *Memory) error) error {
	return s.read(ctx, func(m *Memory) error {
		if m.epoch != s.epoch {
			return failed(ErrFenced, nil, "store in memory was taken over by another coordinator, which has epoch %d; "+
				"this one has %d and has to end", m.epoch, s.epoch)
		}
		return apply(m)
	})
}

// Create implements Store.
func (s *memorySession) Create(ctx context.Context, run Head) (number int64, err error) {
	err = s.write(ctx, func(m *Memory) (err error) {
		number, err = m.create(&run)
		return err
	})
	return number, err
}

// Commit implements Store.
func (s *memorySession) Commit(ctx context.Context, changes ...Change) error {
	return s.write(ctx, func(m *Memory) error {
		ended := false
		for i := range changes {
			if m.byID[changes[i].RunID] == nil {
				return noRun(changes[i].RunID)
			}
			ended = ended || changes[i].Head != nil && !changes[i].Head.Ended.IsZero()
		}
		for i := range changes {
			m.change(&changes[i])
		}
		if ended {
			m.prune()
		}
		return nil
	})
}

// Delete implements Store.
func (s *memorySession) Delete(ctx context.Context, id string) error {
	return s.write(ctx, func(m *Memory) error {
		run := m.byID[id]
		if run == nil {
			return noRun(id)
		}
		m.delete(run)
		return nil
	})
}

// Unended implements Store.
func (s *memorySession) Unended(ctx context.Context) (runs []*Run, err error) {
	err = s.read(ctx, func(m *Memory) error {
		for _, run := range m.runs {
			if run.Ended.IsZero() {
				runs = append(runs, copyRun(&run.Run))
			}
		}
		return nil
	})
	return runs, err
}

// Find implements Store.
func (s *memorySession) Find(ctx context.Context, id string) (run *Run, err error) {
	err = s.read(ctx, func(m *Memory) error {
		found := m.byID[id]
		if found == nil {
			return noRun(id)
		}
		run = copyRun(&found.Run)
		return nil
	})
	return run, err
}

// Page implements Store.
func (s *memorySession) Page(ctx context.Context, before int64, n int) (page []Head, more bool, err error) {
	err = s.read(ctx, func(m *Memory) error {
		end := len(m.runs)
		if before > 0 {
			end, _ = slices.BinarySearchFunc(m.runs, before, func(r *memoryRun, number int64) int { return cmp.Compare(r.Number, number) })
		}
		start := max(end-max(n, 0), 0)
		for _, run := range slices.Backward(m.runs[start:end]) {
			page = append(page, copyHead(&run.Head))
		}
		more = start > 0
		return nil
	})
	return page, more, err
}

// Intervals implements Store.
func (s *memorySession) Intervals(ctx context.Context, runID string, from int64, n int) (page []Interval, more bool, err error) {
	err = s.read(ctx, func(m *Memory) error {
		run := m.byID[runID]
		if run == nil {
			return noRun(runID)
		}
		start, _ := slices.BinarySearchFunc(run.intervals, Interval{Second: from}, compareIntervals)
		page, more = cut(run.intervals[start:], n)
		page = copyAll(page, copyInterval)
		return nil
	})
	return page, more, err
}

// Request implements Store.
func (s *memorySession) Request(ctx context.Context, creator, requestID string, after time.Time) (runID, hash string, ok bool, err error) {
	err = s.read(ctx, func(m *Memory) error {
		if r, found := m.requests[requestKey{creator, requestID}]; found && r.created > instant(after) {
			runID, hash, ok = r.runID, r.hash, true
		}
		return nil
	})
	return runID, hash, ok, err
}
