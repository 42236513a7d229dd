package wire

import (
	"github.com/fanout-load/fanout/services/internal/run"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// CheckProto is the message that says c.
func CheckProto(c run.Check) *fanoutv1.RunCheck {
	return &fanoutv1.RunCheck{Name: text(c.Name), Ok: c.OK, Detail: text(c.Detail)}
}

// Check is the check that pb says.
func Check(pb *fanoutv1.RunCheck) run.Check {
	return run.Check{Name: pb.GetName(), OK: pb.GetOk(), Detail: pb.GetDetail()}
}
