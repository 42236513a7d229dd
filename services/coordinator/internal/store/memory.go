package store

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// Memory is a store without a file: it has what its sessions have stored, as long as the process lives. It is safe for
// concurrent use.
type Memory struct {
	options Options

	mu       sync.Mutex
	epoch    int64
	number   int64        // of the newest run
	runs     []*memoryRun // by number
	byID     map[string]*memoryRun
	requests map[requestKey]memoryRequest
	places   map[int64]requestKey // by place
	place    int64                // of the newest request_id
}

// memoryRun is a run with all of its rows.
type memoryRun struct {
	Run
	intervals []Interval // by second
	bytes     int        // about how much it has, once it has ended; 0: not counted yet
}

// requestKey is what a request_id belongs to: each creator has its own.
type requestKey struct{ creator, id string }

// memoryRequest is what is remembered of a request_id.
type memoryRequest struct {
	place   int64 // in the order in which they came
	runID   string
	hash    string
	created int64 // as instant says it
}

// NewMemory is an empty store.
func NewMemory(options Options) *Memory {
	return &Memory{
		options:  options.withDefaults(),
		byID:     map[string]*memoryRun{},
		requests: map[requestKey]memoryRequest{},
		places:   map[int64]requestKey{},
	}
}

// Open begins a session, which fences all sessions before.
func (m *Memory) Open(ctx context.Context) (Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch++
	return &memorySession{memory: m, epoch: m.epoch}, nil
}

// create adds a run; the caller holds mu.
func (m *Memory) create(run *Head) (int64, error) {
	if m.byID[run.ID] != nil {
		return 0, exists(run.ID)
	}
	m.number++
	head := copyHead(run)
	head.Number = m.number
	added := &memoryRun{Run: Run{Head: head}}
	m.runs = append(m.runs, added)
	m.byID[run.ID] = added
	m.remember(run)
	if !run.Ended.IsZero() {
		m.prune()
	}
	return m.number, nil
}

// remember keeps the run's request_id, and forgets the oldest of too many; the caller holds mu.
func (m *Memory) remember(run *Head) {
	if run.RequestID == "" {
		return
	}
	m.place++
	key := requestKey{run.Creator, run.RequestID}
	delete(m.places, m.requests[key].place)
	m.places[m.place] = key
	m.requests[key] = memoryRequest{m.place, run.ID, run.RequestHash, instant(run.Created)}
	oldest := m.place - int64(m.options.requests)
	if key, ok := m.places[oldest]; ok {
		delete(m.requests, key)
		delete(m.places, oldest)
	}
}

// change makes a change of a run that is stored; the caller holds mu.
func (m *Memory) change(c *Change) {
	run := m.byID[c.RunID]
	if c.Head != nil {
		head := copyHead(c.Head)
		head.ID, head.Number, head.Created = run.ID, run.Number, run.Created
		head.Creator, head.RequestID, head.RequestHash = run.Creator, run.RequestID, run.RequestHash
		run.Head = head
	}
	for _, s := range c.Shards {
		run.Shards = put(run.Shards, copyShard(s), compareShards)
	}
	for _, g := range c.Grants {
		run.Grants = put(run.Grants, g, compareGrants)
	}
	for _, s := range c.Seconds {
		run.Seconds = put(run.Seconds, copySecond(s), compareSeconds)
	}
	for _, i := range c.Intervals {
		run.intervals = put(run.intervals, copyInterval(i), compareIntervals)
		run.Run.Intervals = run.intervals[len(run.intervals)-1].Second + 1
		run.Seconds = slices.DeleteFunc(run.Seconds, func(s Second) bool { return s.Second <= i.Second })
	}
}

// put replaces the row that compares as equal, or adds the row in its place.
func put[T any](rows []T, row T, compare func(a, b T) int) []T {
	i, found := slices.BinarySearchFunc(rows, row, compare)
	if found {
		rows[i] = row
		return rows
	}
	return slices.Insert(rows, i, row)
}

func compareShards(a, b Shard) int { return cmp.Compare(a.Index, b.Index) }

func compareGrants(a, b Grant) int {
	return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Ordinal, b.Ordinal))
}

func compareSeconds(a, b Second) int {
	return cmp.Or(cmp.Compare(a.Second, b.Second), cmp.Compare(a.Shard, b.Shard))
}

func compareIntervals(a, b Interval) int { return cmp.Compare(a.Second, b.Second) }

// prune deletes the runs that ended first of too many; the caller holds mu.
func (m *Memory) prune() {
	var ended []*memoryRun
	for _, run := range m.runs {
		if !run.Ended.IsZero() {
			ended = append(ended, run)
		}
	}
	slices.SortFunc(ended, func(a, b *memoryRun) int { return cmp.Or(a.Ended.Compare(b.Ended), cmp.Compare(a.Number, b.Number)) })
	first, bytes := len(ended), 0 // the newest always stays
	for first > 0 && len(ended)-first < m.options.Keep {
		if bytes += ended[first-1].size(); bytes > m.options.bytes && first < len(ended) {
			break
		}
		first--
	}
	for _, run := range ended[:first] {
		m.delete(run)
	}
}

// delete forgets a run; the caller holds mu.
func (m *Memory) delete(run *memoryRun) {
	delete(m.byID, run.ID)
	m.runs = slices.DeleteFunc(m.runs, func(r *memoryRun) bool { return r == run })
}

// size is about how many bytes a run has that has ended, and is not changed any more.
func (r *memoryRun) size() int {
	if r.bytes == 0 {
		const row = 64 // at least
		r.bytes = row + len(r.About) + len(r.Report) + row*len(r.Grants)
		for i := range r.Shards {
			r.bytes += row + len(r.Shards[i].State) + len(r.Shards[i].Tally)
		}
		for i := range r.Seconds {
			r.bytes += row + len(r.Seconds[i].Tally)
		}
		for i := range r.intervals {
			r.bytes += row + len(r.intervals[i].Tally)
		}
	}
	return r.bytes
}
