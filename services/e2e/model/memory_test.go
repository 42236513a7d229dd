package model

import (
	"context"
	"reflect"
	"sync"
	"unsafe"

	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// memory is the store of a world's coordinators. What is in it is nobody's business but theirs and the judge's, which looks at its
// fields by reflection: what is stored has to be read without a coordinator that might say otherwise.
type memory struct {
	mu   sync.Mutex
	now  coordinator.Memory // guarded by mu
	late *lag               // see weakness; nil: what is committed is stored
}

func newMemory() *memory { return &memory{now: coordinator.NewMemory(0)} }

func (m *memory) current() coordinator.Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// open begins a session.
func (m *memory) open(ctx context.Context) (coordinator.Store, error) { return m.current().Open(ctx) }

// stored is what is stored of a run.
type stored struct {
	cancelled     string
	next, givenUp int64
	shards        []storedShard
}

// storedShard is what is stored of a shard.
type storedShard struct {
	address, lease string
	counts         counts  // of its newest tally
	slots          []int64 // that it was granted, in their order
}

// read reads what is stored of a run, "" is the only one; nil is nothing.
func (m *memory) read(id string) *stored {
	v := reflect.ValueOf(m.current()).FieldByName("memory").Elem()
	mu := (*sync.Mutex)(unsafe.Pointer(v.FieldByName("mu").UnsafeAddr()))
	mu.Lock()
	defer mu.Unlock()
	all := v.FieldByName("runs")
	for i := range all.Len() {
		if run := all.Index(i).Elem(); id == "" || run.FieldByName("ID").String() == id {
			return readRun(run)
		}
	}
	return nil
}

func readRun(run reflect.Value) *stored {
	s := &stored{
		cancelled: run.FieldByName("Cancelled").String(),
		next:      run.FieldByName("Next").Int(),
		givenUp:   run.FieldByName("GivenUp").Int(),
	}
	shards := run.FieldByName("Shards")
	for i := range shards.Len() {
		row := shards.Index(i)
		shard := storedShard{address: row.FieldByName("Address").String(), lease: row.FieldByName("LeaseID").String()}
		if snapshot, err := wire.DecodeSnapshot(row.FieldByName("Tally").Bytes()); err == nil && snapshot != nil {
			c := snapshot.Counts
			shard.counts = counts{responses: c.Responses, errors: c.Errors, notSent: c.NotSent}
		}
		s.shards = append(s.shards, shard)
	}
	grants := run.FieldByName("Grants")
	for i := range grants.Len() {
		row := grants.Index(i)
		shard := &s.shards[row.FieldByName("Shard").Int()]
		shard.slots = shard.slots[:row.FieldByName("Ordinal").Int()] // what a longer row repeats
		for k := range row.FieldByName("Count").Int() {
			shard.slots = append(shard.slots, row.FieldByName("First").Int()+k*row.FieldByName("Stride").Int())
		}
	}
	return s
}

// shardOf is the shard with the lease.
func (s *stored) shardOf(lease string) *storedShard {
	for i := range s.shards {
		if s.shards[i].lease == lease {
			return &s.shards[i]
		}
	}
	return nil
}
