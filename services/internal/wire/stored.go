package wire

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// What a store keeps is the messages of the API, encoded: a later version of this program reads them as it reads those of its peers.

// EncodeSnapshot is s with all that it carries.
func EncodeSnapshot(s *tally.Snapshot) ([]byte, error) { return encode(SnapshotProto(s)) }

// DecodeSnapshot is what EncodeSnapshot has made.
func DecodeSnapshot(encoded []byte) (*tally.Snapshot, error) {
	var pb fanoutv1.Tally
	if err := proto.Unmarshal(encoded, &pb); err != nil {
		return nil, fmt.Errorf("reading a stored tally: %w", err)
	}
	return Snapshot(&pb), nil
}

// EncodeRun is r with everything but the secrets of its plan.
func EncodeRun(r *run.Run) ([]byte, error) { return encode(RunProto(r, true)) }

// DecodeRun is what EncodeRun has made.
func DecodeRun(encoded []byte) (*run.Run, error) {
	var pb fanoutv1.Run
	if err := proto.Unmarshal(encoded, &pb); err != nil {
		return nil, fmt.Errorf("reading a stored run: %w", err)
	}
	return Run(&pb), nil
}

// EncodeNewRun is what a run was created with; the secrets of its plan only if they are asked for: they have to be kept as long as the
// run goes on.
func EncodeNewRun(about *run.NewRun, secrets bool) ([]byte, error) {
	kept := *about
	if !secrets {
		kept.Plan = about.Plan.Shown()
	}
	return encode(NewRunProto(&kept))
}

// DecodeNewRun is what EncodeNewRun has made.
func DecodeNewRun(encoded []byte) (*run.NewRun, error) {
	var pb fanoutv1.CreateRunRequest
	if err := proto.Unmarshal(encoded, &pb); err != nil {
		return nil, fmt.Errorf("reading what a stored run was created with: %w", err)
	}
	about := &run.NewRun{
		RequestID: pb.GetRequestId(), Plan: acceptedPlan(pb.GetPlan()), Name: pb.GetName(), Labels: pb.GetLabels(),
		OnWorkerLoss: run.OnWorkerLoss(pb.GetOnWorkerLoss()),
	}
	if about.Plan == nil {
		return nil, fmt.Errorf("the stored plan is not one that this program understands")
	}
	return about, nil
}

func encode(message proto.Message) ([]byte, error) {
	encoded, err := proto.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encoding for the store: %w", err)
	}
	return encoded, nil
}
