package wire

import (
	"math"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// RunView reports whether a view is full. One that is unspecified or not known is basic.
func RunView(view fanoutv1.RunView) (full bool) { return view == fanoutv1.RunView_RUN_VIEW_FULL }

// RunProto is the message that says r, its plan as it may be shown; basic it is without the bodies of its requests and without
// buckets.
func RunProto(r *run.Run, full bool) *fanoutv1.Run {
	if r == nil {
		return nil
	}
	pb := &fanoutv1.Run{
		Id:            text(r.ID),
		Name:          text(r.Name),
		Labels:        labelsProto(r.Labels),
		Plan:          PlanProto(r.Plan.Shown()),
		State:         fanoutv1.State(r.State),
		Verdict:       fanoutv1.Verdict(r.Verdict),
		VerdictReason: text(r.Reason),
		LimitedBy:     fanoutv1.LimitedBy(r.LimitedBy),
		LimitedReason: text(r.LimitedReason),
		OnWorkerLoss:  fanoutv1.OnWorkerLoss(r.OnWorkerLoss),
		Creator:       text(r.Creator),
		CreateTime:    timeProto(r.Created),
		StartTime:     timeProto(r.Started),
		EndTime:       timeProto(r.Ended),
		Tally:         snapshotProto(r.Tally, parts{buckets: full, groups: true}),
	}
	if r.StartSpread != nil {
		pb.StartSpreadDuration = durationpb.New(*r.StartSpread)
	}
	if !full {
		for _, request := range pb.GetPlan().GetRequests() {
			request.Body = nil
		}
	}
	for _, w := range r.Workers {
		pb.Workers = append(pb.Workers, WorkerResultProto(w))
	}
	return pb
}

// Run is the run that pb says, nil for nil. Its tally and its workers' are never nil. Its plan is, if it is not one that
// this program understands; it has no secrets, and in a basic view no bodies.
func Run(pb *fanoutv1.Run) *run.Run {
	if pb == nil {
		return nil
	}
	r := &run.Run{
		ID:      pb.GetId(),
		Name:    pb.GetName(),
		Creator: pb.GetCreator(),
		Labels:  pb.GetLabels(),
		Plan:    acceptedPlan(pb.GetPlan()),
		State:   run.State(pb.GetState()),
		Verdict: run.Verdict(pb.GetVerdict()),
		Reason:  pb.GetVerdictReason(),

		LimitedBy:     run.LimitedBy(pb.GetLimitedBy()),
		LimitedReason: pb.GetLimitedReason(),

		OnWorkerLoss: run.OnWorkerLoss(pb.GetOnWorkerLoss()),
		StartSpread:  span(pb.GetStartSpreadDuration()),

		Created: instant(pb.GetCreateTime()),
		Started: instant(pb.GetStartTime()),
		Ended:   instant(pb.GetEndTime()),
		Tally:   orEmpty(Snapshot(pb.GetTally())),
	}
	for _, w := range pb.GetWorkers() {
		r.Workers = append(r.Workers, WorkerResult(w))
	}
	return r
}

// acceptedPlan is a plan that a coordinator has accepted, by its own caps.
func acceptedPlan(pb *fanoutv1.Plan) *plan.Plan {
	c := &checker{caps: noCaps(), shown: true}
	p, _ := c.checked(pb) // nil with any violation: nobody here can put it right
	return p
}

// WorkerResultProto is the message that says w; its tally goes without groups and buckets.
func WorkerResultProto(w run.WorkerResult) *fanoutv1.WorkerResult {
	pb := &fanoutv1.WorkerResult{
		Address:    text(w.Address),
		InstanceId: text(w.InstanceID),
		Tally:      snapshotProto(w.Tally, parts{}),
		Failure:    FailureProto(w.Failure),
		Effort:     EffortProto(w.Effort),
	}
	if w.StartOffset != nil {
		pb.StartOffset = durationpb.New(*w.StartOffset)
	}
	return pb
}

// span is a length of time that may be absent, and negative.
func span(pb *durationpb.Duration) *time.Duration {
	if !pb.IsValid() {
		return nil
	}
	d := pb.AsDuration()
	return &d
}

// WorkerResult is the worker's part of a run that pb says. Its tally is never nil.
func WorkerResult(pb *fanoutv1.WorkerResult) run.WorkerResult {
	return run.WorkerResult{
		Address:    pb.GetAddress(),
		InstanceID: pb.GetInstanceId(),
		Tally:      orEmpty(Snapshot(pb.GetTally())),
		Failure:    Failure(pb.GetFailure()),
		Effort:     Effort(pb.GetEffort()),

		StartOffset: span(pb.GetStartOffset()),
	}
}

// EffortProto is the message that says e, nil for nil.
func EffortProto(e *run.Effort) *fanoutv1.Effort {
	if e == nil {
		return nil
	}
	return &fanoutv1.Effort{
		CpuShare: e.CPUShare, SenderCount: e.Senders, HeldBackCount: e.HeldBack, CappedCount: e.Capped,
		GrantWaitDuration: durationProto(e.GrantWait), StartLatenessDuration: durationProto(e.StartLateness),
	}
}

// Effort is the effort that pb says, nil for nil; a share is 0 to 1, and no count is negative.
func Effort(pb *fanoutv1.Effort) *run.Effort {
	if pb == nil {
		return nil
	}
	share := pb.GetCpuShare()
	if !(share > 0) { // NaN too
		share = 0
	}
	heldBack := max(pb.GetHeldBackCount(), 0)
	return &run.Effort{
		CPUShare: min(share, 1), Senders: max(pb.GetSenderCount(), 0),
		HeldBack: heldBack, Capped: min(max(pb.GetCappedCount(), 0), heldBack),
		GrantWait: duration(pb.GetGrantWaitDuration()), StartLateness: duration(pb.GetStartLatenessDuration()),
	}
}

// FailureProto is the message that says f, nil for nil.
func FailureProto(f *run.Failure) *fanoutv1.WorkerFailure {
	if f == nil {
		return nil
	}
	return &fanoutv1.WorkerFailure{Class: fanoutv1.WorkerFailureClass(f.Class), Message: text(f.Message)}
}

// Failure is the failure that pb says, nil for nil.
func Failure(pb *fanoutv1.WorkerFailure) *run.Failure {
	if pb == nil {
		return nil
	}
	return &run.Failure{Class: run.FailureClass(pb.GetClass()), Message: pb.GetMessage()}
}

// IntervalProto is the message that says i; its tally goes without buckets.
func IntervalProto(i run.Interval) *fanoutv1.RunInterval {
	return &fanoutv1.RunInterval{
		StartOffset:          &durationpb.Duration{Seconds: i.Second},
		Tally:                snapshotProto(i.Tally, parts{groups: true}),
		PlannedRatePerSecond: i.PlannedRate,
	}
}

// Interval is the second of a run that pb says, of which there are as many as a duration can hold. Its tally is never nil.
func Interval(pb *fanoutv1.RunInterval) run.Interval {
	return run.Interval{
		Second:      min(max(pb.GetStartOffset().GetSeconds(), 0), math.MaxInt64/int64(time.Second)),
		Tally:       orEmpty(Snapshot(pb.GetTally())),
		PlannedRate: pb.GetPlannedRatePerSecond(),
	}
}

func labelsProto(labels map[string]string) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	valid := make(map[string]string, len(labels))
	for key, value := range labels {
		valid[text(key)] = text(value)
	}
	return valid
}

func orEmpty(s *tally.Snapshot) *tally.Snapshot {
	if s == nil {
		return new(tally.Snapshot)
	}
	return s
}

// timeProto is t; the zero time is absent.
func timeProto(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// instant is the time that pb says, in UTC. One that is absent or out of range, which would not print, is the zero time.
func instant(pb *timestamppb.Timestamp) time.Time {
	if !pb.IsValid() {
		return time.Time{}
	}
	return pb.AsTime()
}
