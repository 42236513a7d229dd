package http1

import (
	"io"
	"log"
	"testing"

	"go.uber.org/goleak"

	"github.com/fanout-load/fanout/services/internal/egress"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // net/http, which the tests compare with, reports what a target sends unasked
	goleak.VerifyTestMain(m)
}

// dialer reaches all of this machine.
var dialer = &egress.Dialer{}
