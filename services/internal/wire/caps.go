package wire

import (
	"math"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// CapsProto is the message that says caps.
func CapsProto(caps plan.Caps) *fanoutv1.Caps {
	return &fanoutv1.Caps{
		MaxCallCount:     caps.Calls,
		MaxSenderCount:   caps.Senders,
		MaxSlotCount:     caps.Slots,
		MaxRatePerSecond: caps.Rate,
		MaxDuration:      durationpb.New(caps.Duration),
		MaxRequestCount:  caps.Requests,
		MaxPlanBytes:     caps.PlanBytes,
		MaxHeadBytes:     caps.HeadBytes,
		MaxBodyBytes:     caps.BodyBytes,
		MaxUrlBytes:      caps.URLBytes,
		MaxRedirectCount: caps.Redirects,
		MaxResponseBytes: caps.ResponseBytes,
		MaxQueueBytes:    caps.QueueBytes,
		MemoryLimitBytes: caps.Memory,
	}
}

// Caps is the caps that pb says. What another process says of itself is not checked; nil is caps of 0, which take nothing.
func Caps(pb *fanoutv1.Caps) plan.Caps {
	return plan.Caps{
		Calls:     pb.GetMaxCallCount(),
		Senders:   pb.GetMaxSenderCount(),
		Slots:     pb.GetMaxSlotCount(),
		Rate:      pb.GetMaxRatePerSecond(),
		Duration:  pb.GetMaxDuration().AsDuration(),
		Requests:  pb.GetMaxRequestCount(),
		PlanBytes: pb.GetMaxPlanBytes(),
		HeadBytes: pb.GetMaxHeadBytes(),
		BodyBytes: pb.GetMaxBodyBytes(),
		URLBytes:  pb.GetMaxUrlBytes(),

		Redirects:     pb.GetMaxRedirectCount(),
		ResponseBytes: pb.GetMaxResponseBytes(),
		QueueBytes:    pb.GetMaxQueueBytes(),
		Memory:        pb.GetMemoryLimitBytes(),
	}
}

// noCaps are no bounds at all: for a plan that another process has accepted.
func noCaps() plan.Caps {
	return plan.Caps{
		Calls:     math.MaxInt64,
		Senders:   math.MaxInt64,
		Slots:     math.MaxInt64,
		Rate:      math.MaxFloat64,
		Duration:  math.MaxInt64,
		Requests:  math.MaxInt64,
		PlanBytes: math.MaxInt64,
		HeadBytes: math.MaxInt64,
		BodyBytes: math.MaxInt64,
		URLBytes:  math.MaxInt64,

		Redirects:     math.MaxInt64,
		ResponseBytes: math.MaxInt64,
		QueueBytes:    math.MaxInt64,
	}
}
