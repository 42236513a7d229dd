package wire

import (
	"cmp"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fanout-load/fanout/services/internal/histogram"
	"github.com/fanout-load/fanout/services/internal/tally"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// parts are what a tally carries beside its figures.
type parts struct{ buckets, groups, seconds bool }

// SnapshotProto is the message that says s, with all that s carries.
func SnapshotProto(s *tally.Snapshot) *fanoutv1.Tally {
	return snapshotProto(s, parts{buckets: true, groups: true, seconds: true})
}

func snapshotProto(s *tally.Snapshot, with parts) *fanoutv1.Tally {
	if s == nil {
		return nil
	}
	pb := &fanoutv1.Tally{
		Counts:                countsProto(s.Counts),
		ResponsesByStatus:     s.ByStatus,
		SentBytes:             s.SentBytes,
		ReceivedBytes:         s.ReceivedBytes,
		ServiceTime:           latencyProto(&s.Service, with.buckets),
		ResponseTime:          latencyProto(&s.Response, with.buckets),
		Lateness:              latencyProto(&s.Lateness, with.buckets),
		FirstByteTime:         latencyProto(&s.FirstByte, with.buckets),
		FoldedCount:           s.Folded,
		RecordsCount:          s.Records,
		LostCount:             s.Lost,
		StreamStalledDuration: durationProto(s.Stalled),
	}
	for _, e := range s.Errors {
		pb.Errors = append(pb.Errors, &fanoutv1.ErrorCount{
			Class: fanoutv1.ErrorClass(e.Class), Count: e.Count, Examples: texts(e.Examples),
		})
	}
	for _, n := range s.NotSent {
		pb.NotSent = append(pb.NotSent, &fanoutv1.NotSentCount{Reason: fanoutv1.NotSentReason(n.Reason), Count: n.Count})
	}
	inner := parts{buckets: with.buckets}
	if with.groups && len(s.Groups) > 0 {
		pb.Groups = make(map[string]*fanoutv1.Tally, len(s.Groups))
		for name, g := range s.Groups {
			pb.Groups[text(name)] = snapshotProto(g, inner)
		}
	}
	if with.seconds {
		for _, second := range s.Seconds {
			pb.Seconds = append(pb.Seconds, &fanoutv1.SecondTally{
				Second: second.Second, Tally: snapshotProto(second.Tally, inner), Complete: second.Complete,
			})
		}
	}
	return pb
}

func countsProto(c tally.Counts) *fanoutv1.Counts {
	return &fanoutv1.Counts{
		Planned:   c.Planned,
		Pending:   c.Pending,
		InFlight:  c.InFlight,
		Responses: c.Responses,
		Errors:    c.Errors,
		NotSent:   c.NotSent,
		Unknown:   c.Unknown,
	}
}

// latencyProto is nil without a value: there is no least and no median of nothing.
func latencyProto(l *tally.Latency, buckets bool) *fanoutv1.Latency {
	if l.Count == 0 {
		return nil
	}
	pb := &fanoutv1.Latency{
		Count:        l.Count,
		Sum:          durationpb.New(l.Sum),
		Min:          durationpb.New(l.Min),
		P50:          durationpb.New(l.P50),
		P75:          durationpb.New(l.P75),
		P90:          durationpb.New(l.P90),
		P95:          durationpb.New(l.P95),
		P99:          durationpb.New(l.P99),
		P999:         durationpb.New(l.P999),
		Max:          durationpb.New(l.Max),
		ClampedCount: l.Clamped,
	}
	if buckets {
		pb.Buckets = l.Buckets
	}
	return pb
}

func texts(all []string) []string {
	if all == nil {
		return nil
	}
	valid := make([]string, len(all))
	for i, s := range all {
		valid[i] = text(s)
	}
	return valid
}

// Snapshot is the snapshot that pb says, nil for nil. It is safe to read and to merge, whoever sent it; whether it adds up
// is for the account to say. Groups and seconds have no groups and seconds of their own.
func Snapshot(pb *fanoutv1.Tally) *tally.Snapshot {
	if pb == nil {
		return nil
	}
	s := figures(pb)
	if groups := pb.GetGroups(); len(groups) > 0 {
		s.Groups = make(map[string]*tally.Snapshot, len(groups))
		for name, g := range groups {
			s.Groups[name] = figures(g)
		}
	}
	for _, second := range pb.GetSeconds() {
		if second.GetSecond() >= 0 { // none is before the run's start
			s.Seconds = append(s.Seconds, tally.Second{
				Second: second.GetSecond(), Tally: figures(second.GetTally()), Complete: second.GetComplete(),
			})
		}
	}
	return s
}

// figures is a tally without its groups and seconds; an absent one is empty.
func figures(pb *fanoutv1.Tally) *tally.Snapshot {
	return &tally.Snapshot{
		Counts:        counts(pb.GetCounts()),
		ByStatus:      byStatus(pb.GetResponsesByStatus()),
		Errors:        classCounts(pb.GetErrors()),
		NotSent:       reasonCounts(pb.GetNotSent()),
		SentBytes:     pb.GetSentBytes(),
		ReceivedBytes: pb.GetReceivedBytes(),
		Service:       latency(pb.GetServiceTime()),
		Response:      latency(pb.GetResponseTime()),
		Lateness:      latency(pb.GetLateness()),
		FirstByte:     latency(pb.GetFirstByteTime()),
		Folded:        pb.GetFoldedCount(),
		Records:       pb.GetRecordsCount(),
		Lost:          pb.GetLostCount(),
		Stalled:       duration(pb.GetStreamStalledDuration()),
	}
}

func counts(pb *fanoutv1.Counts) tally.Counts {
	return tally.Counts{
		Planned:   pb.GetPlanned(),
		Pending:   pb.GetPending(),
		InFlight:  pb.GetInFlight(),
		Responses: pb.GetResponses(),
		Errors:    pb.GetErrors(),
		NotSent:   pb.GetNotSent(),
		Unknown:   pb.GetUnknown(),
	}
}

func byStatus(pb map[int32]int64) map[int32]int64 {
	if len(pb) == 0 {
		return nil
	}
	all := make(map[int32]int64, min(len(pb), 1000))
	for s, n := range pb {
		all[status(s)] += n
	}
	return all
}

// classCounts has each class once, though a newer sender may know several that are OTHER here.
func classCounts(pbs []*fanoutv1.ErrorCount) []tally.ClassCount {
	var all []tally.ClassCount
	for _, pb := range pbs {
		c := class(pb.GetClass())
		at := slices.IndexFunc(all, func(have tally.ClassCount) bool { return have.Class == c })
		if at < 0 {
			at = len(all)
			all = append(all, tally.ClassCount{Class: c})
		}
		all[at].Count += pb.GetCount()
		room := tally.MaxExamples - len(all[at].Examples)
		all[at].Examples = append(all[at].Examples, pb.GetExamples()[:min(len(pb.GetExamples()), room)]...)
	}
	slices.SortStableFunc(all, func(a, b tally.ClassCount) int { return cmp.Compare(b.Count, a.Count) })
	return all
}

func reasonCounts(pbs []*fanoutv1.NotSentCount) []tally.ReasonCount {
	var all []tally.ReasonCount
	for _, pb := range pbs {
		r := reason(pb.GetReason())
		at := slices.IndexFunc(all, func(have tally.ReasonCount) bool { return have.Reason == r })
		if at < 0 {
			at = len(all)
			all = append(all, tally.ReasonCount{Reason: r})
		}
		all[at].Count += pb.GetCount()
	}
	slices.SortStableFunc(all, func(a, b tally.ReasonCount) int { return cmp.Compare(b.Count, a.Count) })
	return all
}

func latency(pb *fanoutv1.Latency) tally.Latency {
	return tally.Latency{
		Stats: histogram.Stats{
			Count:   pb.GetCount(),
			Clamped: pb.GetClampedCount(),
			Sum:     duration(pb.GetSum()),
			Min:     duration(pb.GetMin()),
			Max:     duration(pb.GetMax()),
		},
		P50:     duration(pb.GetP50()),
		P75:     duration(pb.GetP75()),
		P90:     duration(pb.GetP90()),
		P95:     duration(pb.GetP95()),
		P99:     duration(pb.GetP99()),
		P999:    duration(pb.GetP999()),
		Buckets: pb.GetBuckets(),
	}
}

// duration is a length of time that another process measured: not negative, and saturated where an int64 ends.
func duration(pb *durationpb.Duration) time.Duration { return max(pb.AsDuration(), 0) }
