package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/access"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/wire"
	"github.com/fanout-load/fanout/services/worker/internal/admission"
	"github.com/fanout-load/fanout/services/worker/internal/batch"
	"github.com/fanout-load/fanout/services/worker/internal/engine"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
	"github.com/fanout-load/fanout/services/worker/internal/lease"
	"github.com/fanout-load/fanout/services/worker/internal/pacer"
)

// restBudget is how long a call that was stopped lists the slots that it did not send, each in a row of its own; finished
// has to follow within 2 s of the stop, of which slots in flight may have taken one.
const restBudget = 500 * time.Millisecond

// FanOut carries out a plan, or one shard of it.
func (w *Worker) FanOut(request *fanoutv1.FanOutRequest, stream grpc.ServerStreamingServer[fanoutv1.FanOutResponse]) error {
	arrived := time.Now()
	job, err := w.parse(request, arrived)
	if err != nil {
		return err
	}
	job.key.subject = access.CallerOf(stream.Context()).Subject
	if job.shard.Lease > 0 {
		return w.serveLease(job, stream)
	}
	if err := w.take(job); err != nil {
		return err
	}
	defer w.giveBack(job.key, job.need)
	t := w.newTrail(stream.Context(), job.key)
	queue := batch.NewQueue(job.options(w.config, t))
	call, end, err := w.call(job, queue, nil, t)
	if err != nil {
		w.config.Log.Error("making the HTTP client", "run_id", job.key.run, "error", err)
		return rpcerr.Internal()
	}
	defer end()
	if err := w.enter(job.key, call); err != nil {
		return err
	}
	defer w.leave(job.key)
	w.warn(job)
	return w.stream(stream, job, call, queue, t)
}

// call makes the call that carries out a job; end frees what it takes, after the call. held: see engine.Config. It
// ends by itself when t has seen too many targets refused.
func (w *Worker) call(j *job, queue *batch.Queue, held func() bool, t *trail) (call *engine.Call, end func(), err error) {
	client, newSender, err := w.client(j, held, t)
	if err != nil {
		return nil, nil, err
	}
	pace := pacer.New()
	call = engine.New(j.work, engine.Config{
		NewSender: newSender,
		Deliver:   queue.Put,
		Sleep:     pace.Wait,
		Admit:     func() bool { return w.room.TakeSender(j.perSender) },
		Release:   func() { w.room.LeaveSender(j.perSender) },
		IsCrowded: w.config.Dialer.IsCrowded,
		Held:      held,
		Log:       w.config.Log,
	})
	t.stop = call.Block
	return call, func() {
		pace.Close()
		client.Close()
	}, nil
}

// job is a request that was parsed and checked.
type job struct {
	key       callKey
	shard     *wire.Shard
	work      engine.Work
	need      admission.Need
	perSender int64     // bytes of memory that each sender more may take
	planned   int64     // slots granted; 0 without end
	cut       time.Time // when the caller's deadline cuts the call
	deadline  time.Time // zero: none
}

func (w *Worker) parse(request *fanoutv1.FanOutRequest, arrived time.Time) (*job, error) {
	p, violations := wire.ParsePlan(request.GetPlan(), w.config.Caps)
	if len(violations) > 0 {
		return nil, rpcerr.Invalid(violations)
	}
	slots := schedule.New(p)
	shard := &wire.Shard{RunID: rand.Text(), Grants: schedule.Whole(slots.Slots())}
	if request.GetShard() != nil {
		if shard, violations = wire.ParseShard(request.GetShard(), p, slots.Slots()); len(violations) > 0 {
			return nil, rpcerr.Invalid(violations)
		}
		if shard.InstanceID != "" && shard.InstanceID != w.instanceID {
			return nil, rpcerr.WrongInstance("shard.instance_id %q is another process; this one is %q", shard.InstanceID, w.instanceID)
		}
	}
	asked := shard.Concurrency
	if shard.LeaseID != "" { // it was admitted once, and its load may have been changed since
		asked = min(asked, w.config.Caps.Senders)
	}
	concurrency, beyond := admission.Concurrency(p, request.GetShard() != nil, asked, shard.Grants.Len(), w.config.Caps)
	if beyond != nil {
		return nil, rpcerr.Invalid([]wire.Violation{{
			Field: beyond.Field,
			Description: fmt.Sprintf("%d %s at once are beyond the worker's cap of %d (%s); ask for fewer, or spread the run over more workers",
				beyond.Value, beyond.What, beyond.Cap, beyond.Name),
		}})
	}
	if shard.LeaseID == "" { // what is attached to has its secrets
		if p, violations = w.config.Secrets.Resolve(p, w.config.Caps); len(violations) > 0 {
			return nil, rpcerr.Invalid(violations)
		}
	}
	j := &job{
		key:   callKey{run: shard.RunID, shard: shard.ShardID},
		shard: shard,
		work: engine.Work{
			Plan: p, Schedule: slots, Slots: lease.Fixed(shard.Grants),
			Concurrency: concurrency, Capped: concurrency == w.config.Caps.Senders, Start: arrived,
		},
	}
	if shard.StartClock > 0 {
		if j.work.Start, violations = w.startAt("shard.start_clock_nanos", shard.StartClock); len(violations) > 0 {
			return nil, rpcerr.Invalid(violations)
		}
	}
	reserved := concurrency
	if p.Load.OpenLoop != nil {
		reserved = 1 // the others as they are needed
	}
	if n := shard.Grants.Len(); n != schedule.Unbounded && shard.Lease == 0 {
		j.planned = n
		reserved = min(reserved, n)
	}
	j.perSender = bytesPerSender(p)
	most := min(shard.Grants.Len(), slots.Slots()) // a shard with a lease may be granted all that the run has
	if shard.Lease > 0 {
		most = slots.Slots()
	}
	j.need = admission.Need{Senders: reserved, Bytes: bytesPerCall(p, proto.Size(request.GetPlan()), most, w.config.Caps) + reserved*j.perSender}
	return j, nil
}

// maxAhead is how far ahead a run's start may be: as long as a load may take. A coordinator says it a second or two before.
const maxAhead = 24 * time.Hour

// startAt is the moment of a run's start that a field says on this worker's clock. One that is too far ahead would hold its place for
// years.
func (w *Worker) startAt(field string, clock time.Duration) (time.Time, []wire.Violation) {
	start := w.born.Add(clock)
	if time.Until(start) > maxAhead {
		return time.Time{}, []wire.Violation{{
			Field: field, Description: fmt.Sprintf("%d is more than %v ahead of this worker's clock, which is at %d; use less", clock, maxAhead, time.Since(w.born)),
		}}
	}
	return start, nil
}

// endless reports whether only time ends the job's slots.
func (j *job) endless() bool { return j.work.Schedule.Slots() == schedule.Unbounded }

// stream runs the call and writes its account. The call runs in a goroutine of its own; this one alone writes the stream.
func (w *Worker) stream(stream grpc.ServerStreamingServer[fanoutv1.FanOutResponse], j *job, call *engine.Call, queue *batch.Queue, t *trail) error {
	ctx := stream.Context()
	done := make(chan struct{})
	patient := grpcserve.Patiently(stream.Send, w.config.Unread, j.goesOnUnread(done))
	defer patient.Close()
	batcher := batch.New(queue, call, j.work.Start, patient.Send)
	err := batcher.Started(&fanoutv1.FanOutStarted{RunId: j.key.run, Planned: j.planned, Caps: w.caps})
	if err != nil {
		return err
	}
	j.setDeadline(ctx)
	if !j.cut.IsZero() {
		call.CutAt(j.cut)
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	work := begin(j.work.Start)
	go func() {
		defer close(done)
		call.Run(running)
	}()
	err = batcher.Run(done, call.Ending())
	if err == nil {
		err = j.rest(batcher, call)
	}
	if err == nil {
		if call.EndedBy(errclass.ErrBlocked) {
			batcher.Blocked(t.message())
		}
		err = batcher.Finish(effort(work, call))
	}
	if err != nil {
		stop()
		queue.Discard() // nobody waits for a stream that is gone
		<-done
		w.config.Log.Warn("a call's stream broke off", "run_id", j.key.run, "shard_id", j.key.shard,
			"counts", batcher.Counts().String(), "error", errors.Join(err, ctx.Err()))
	}
	t.end(j.work.Plan, j.planned, batcher.Total(), call.Why())
	return err
}

// goesOnUnread reports whether the call goes on for now although nobody reads its stream: if what finds no room is folded, until it
// is done.
func (j *job) goesOnUnread(done <-chan struct{}) func() bool {
	return func() bool {
		select {
		case <-done:
			return false
		default:
			return j.folds()
		}
	}
}

// rest accounts for the slots that no sender claimed: first those whose patience was over before the call stopped, then those
// that were not sent because it did.
func (j *job) rest(batcher *batch.Batcher, call *engine.Call) error {
	until := j.restUntil(time.Now())
	from, to := call.ClaimLate()
	if err := batcher.Late(j.work.Schedule, j.work.Slots, from, to, until); err != nil {
		return err
	}
	return batcher.Rest(j.work.Schedule, j.work.Slots, call.NotSent(), until)
}

// setDeadline fixes when the caller's deadline cuts the call, so that finished still arrives: a tenth of the time that is
// left before it, at least 20 ms (10 ms lost finished in 10 of 60 calls on two busy cores, 20 ms in none), at most 100 ms
// and half of what is left.
func (j *job) setDeadline(ctx context.Context) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return
	}
	left := time.Until(deadline)
	margin := min(max(left/10, 20*time.Millisecond), 100*time.Millisecond, left/2)
	j.cut, j.deadline = deadline.Add(-margin), deadline
}

// restUntil is until when slots that were not sent are listed one by one: before a deadline half of the time that is left.
func (j *job) restUntil(now time.Time) time.Time {
	until := now.Add(restBudget)
	if half := now.Add(j.deadline.Sub(now) / 2); !j.deadline.IsZero() && half.Before(until) {
		until = half
	}
	return until
}

// folds reports whether outcomes that find no room are folded. The stream of a direct call is read by whoever wants each of them, so its
// senders wait for it unless the plan says otherwise; those of a shard do not, since a run is about its load.
func (j *job) folds() bool {
	slow := j.work.Plan.Outcomes.SlowStream
	return slow == plan.SlowStreamFold || slow == 0 && j.key.shard != ""
}

// options are what becomes of the call's outcomes.
func (j *job) options(config Config, t *trail) batch.Options {
	p := j.work.Plan
	o := batch.Options{
		Groups:    make([]string, len(p.Requests)),
		Bound:     config.Caps.QueueBytes,
		TallyOnly: p.Outcomes.Detail == plan.DetailTallyOnly,
		Fold:      j.folds(),
	}
	for i := range p.Requests {
		o.Groups[i] = p.Requests[i].Group
	}
	if config.Metrics != nil {
		o.Count = t.counting.count
	}
	return o
}
