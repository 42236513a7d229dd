package http1

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/fanout-load/fanout/services/internal/egress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dialer reaches all of this machine.
var dialer = &egress.Dialer{}
