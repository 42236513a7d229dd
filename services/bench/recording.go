package main

import (
	"math/rand/v2"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

const (
	// recordedBatch is the outcomes in a message: what a busy worker sends.
	recordedBatch = 500
	// recordedRate is the rate of the load that the recording is of, in slots per second of its clock.
	recordedRate = 100_000
	// recordedTally is the outcomes between two tallies: a worker sends one every 500 ms.
	recordedTally = recordedRate / 2
)

// record makes the messages that follow the first one, which names the lease, in the stream of one call of n slots, in the order in
// which a worker sends them: batches whose rows are encoded, tallies that account for what was sent before them, and the end. Each
// message may be sent any number of times.
func record(n int64) []*fanoutv1.FanOutResponse {
	r := &recorder{slots: n, random: rand.New(rand.NewPCG(1, 2))}
	for slot := range n {
		r.outcome(slot)
		done := slot + 1
		if done%recordedBatch == 0 || done == n {
			r.messages = append(r.messages, r.rows.Response(r.sequence()))
			r.rows = wire.Rows{} // the old ones are the message's now
		}
		if done%recordedTally == 0 && done < n {
			r.add(&fanoutv1.FanOutResponse{Event: &fanoutv1.FanOutResponse_Tally{Tally: r.tally()}})
			r.drop(dueAt(done))
		}
	}
	r.add(&fanoutv1.FanOutResponse{Event: &fanoutv1.FanOutResponse_Finished{Finished: &fanoutv1.FanOutFinished{
		Tally: r.tally(), Reason: fanoutv1.FinishReason_FINISH_REASON_COMPLETED, GrantedCount: n,
	}}})
	return r.messages
}

// recorder keeps a call's tally by the second, as a worker does: each second whole, until one tally after it has ended.
type recorder struct {
	slots    int64
	random   *rand.Rand
	messages []*fanoutv1.FanOutResponse
	rows     wire.Rows
	over     tally.Tally // of the seconds that are not sent again
	cells    tally.Cells
}

func dueAt(slot int64) time.Duration { return time.Duration(slot) * time.Second / recordedRate }

// sequence is that of the next message; the first one is not recorded.
func (r *recorder) sequence() int64 { return int64(len(r.messages) + 2) }

// add appends a message with the next sequence.
func (r *recorder) add(m *fanoutv1.FanOutResponse) {
	m.Sequence = r.sequence()
	r.messages = append(r.messages, m)
}

// outcome records what became of a slot: a response, as from nginx on the same machine.
func (r *recorder) outcome(slot int64) {
	service := 400*time.Microsecond + time.Duration(r.random.ExpFloat64()*float64(200*time.Microsecond))
	o := outcome.Outcome{
		Slot: slot, Status: 200, Due: dueAt(slot), Lateness: time.Duration(r.random.Int64N(int64(20 * time.Microsecond))),
		FirstByte: service - time.Microsecond, Service: service, ReceivedBytes: 16,
	}
	r.rows.Append(&o)
	r.cells.Add(&o, "", o.Second())
	r.over.Records++
}

// tally is the account of all outcomes so far.
func (r *recorder) tally() *fanoutv1.Tally {
	total := r.over.Clone()
	r.cells.SumInto(total)
	total.Counts.Planned = r.slots
	total.Counts.Pending = r.slots - total.Counts.Settled()
	snapshot := total.Snapshot(true)
	for _, second := range r.cells.Seconds() {
		snapshot.Seconds = append(snapshot.Seconds, tally.Second{Second: second, Tally: r.cells.Cell(second).Snapshot(true)})
	}
	return wire.SnapshotProto(snapshot)
}

// drop forgets the seconds in which nothing comes about any more once the slots before now are done.
func (r *recorder) drop(now time.Duration) {
	for _, second := range r.cells.Seconds() {
		if second < int64(now/time.Second) {
			r.over.Merge(r.cells.Take(second))
		}
	}
}
