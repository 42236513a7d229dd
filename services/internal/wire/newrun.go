package wire

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// Bounds of what people write on a run: it is kept, and is in every message about the run.
const (
	maxRunNameBytes    = 256
	maxLabels          = 64
	maxLabelKeyBytes   = 64
	maxLabelValueBytes = 256
)

// ParseNewRun is the run that a request asks for, or all that is wrong with it, its plan included.
func ParseNewRun(req *fanoutv1.CreateRunRequest, caps plan.Caps) (run.NewRun, []Violation) {
	c := &checker{caps: caps, whose: "coordinator", slow: plan.SlowStreamFold}
	c.requestID(req.GetRequestId())
	p := c.plan(req.GetPlan())
	if c.atMost("", "name", req.GetName(), maxRunNameBytes) {
		c.utf8("", "name", req.GetName())
	}
	c.labels(req.GetLabels())
	onLoss := oneOf(c, "", "on_worker_loss", req.GetOnWorkerLoss(), run.OnWorkerLosses())
	if found := c.violations(); found != nil {
		return run.NewRun{}, found
	}
	return run.NewRun{
		RequestID: req.GetRequestId(), Plan: p, Name: req.GetName(), Labels: req.GetLabels(),
		OnWorkerLoss: cmp.Or(onLoss, run.Reassign),
	}, nil
}

// NewRunProto is the request that asks for about.
func NewRunProto(about *run.NewRun) *fanoutv1.CreateRunRequest {
	return &fanoutv1.CreateRunRequest{
		RequestId: about.RequestID, Plan: PlanProto(about.Plan), Name: about.Name, Labels: about.Labels,
		OnWorkerLoss: fanoutv1.OnWorkerLoss(about.OnWorkerLoss),
	}
}

func (c *checker) requestID(id string) {
	if !c.atMost("", "request_id", id, maxIDBytes) {
		return
	}
	if !utf8.ValidString(id) || strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }) {
		c.addf("", "request_id", "%s has characters that do not print; use letters, digits and hyphens", quote(id))
	}
}

func (c *checker) labels(labels map[string]string) {
	if n := len(labels); n > maxLabels {
		c.addf("", "labels", "%d labels are beyond the cap of %d; use fewer", n, maxLabels)
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		field := "labels[" + quote(key) + "]"
		if key == "" {
			c.addf(field, "", "\"\" is no key; use 1 to %d bytes", maxLabelKeyBytes)
		}
		if len(key) > maxLabelKeyBytes {
			c.addf(field, "", "%s is a key of %d bytes, beyond the cap of %d; use a shorter one", quote(key), len(key), maxLabelKeyBytes)
		} else {
			c.utf8(field, "", key)
		}
		if c.atMost(field, "", labels[key], maxLabelValueBytes) {
			c.utf8(field, "", labels[key])
		}
	}
}

// atMost reports whether s has at most so many bytes, and adds a violation if not.
func (c *checker) atMost(at, name, s string, bytes int) bool {
	if len(s) > bytes {
		c.addf(at, name, "%s has %d bytes, beyond the cap of %d; use a shorter one", quote(s), len(s), bytes)
		return false
	}
	return true
}
