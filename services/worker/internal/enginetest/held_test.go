package enginetest

import (
	"sync/atomic"
	"testing"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/target"
)

// A lease that ends while a connection is dialled: nothing is written, and the slot says why.
func TestLeaseThatEndsWhileItIsDialled(t *testing.T) { onEach(t, testLeaseThatEndsWhileItIsDialled) }

func testLeaseThatEndsWhileItIsDialled(t *testing.T, e engine) {
	t.Parallel()
	accepted := make(chan struct{})
	o := startOracle(t, target.OracleConfig{OnAccept: func(conn int64) target.AcceptAction {
		if conn == 1 {
			close(accepted)
		}
		return target.AcceptServe
	}})
	e.held = func() bool {
		<-accepted // the question comes after the dial, not before
		return false
	}
	s := e.newSender(t, planFor(o.URL()+"/ok"), nil)
	for slot := range int64(3) {
		got := send(t, s, slot)
		if got.Error != outcome.LeaseLost || got.Message == "" || got.Status != 0 || got.Connection == nil {
			t.Errorf("slot %d = %v (%s), status %d, connection %+v, want LEASE_LOST on a new one: none is kept",
				slot, got.Error, got.Message, got.Status, got.Connection)
		}
	}
	if n := o.Ledger().Total(); n != 0 {
		t.Errorf("the target saw %d requests, want none", n)
	}
}

// A redirect is not followed after the lease's end.
func TestLeaseThatEndsBeforeARedirect(t *testing.T) { onEach(t, testLeaseThatEndsBeforeARedirect) }

func testLeaseThatEndsBeforeARedirect(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	e.held = func() bool { return o.Ledger().Total() < 2 }
	s := e.newSender(t, planFor(o.URL()+"/redirect/3"), nil)
	if got := send(t, s, 0); got.Error != outcome.LeaseLost || got.Redirects < 1 {
		t.Errorf("slot 0 = %v (%s) after %d redirects, want LEASE_LOST", got.Error, got.Message, got.Redirects)
	}
	if n := o.Ledger().Total(); n != 2 {
		t.Errorf("the target saw %d requests, want the 2 before the end", n)
	}
}

// On a connection that is there already the question before the slot is enough: no time has passed since.
func TestLeaseIsNotAskedForOnAKeptConnection(t *testing.T) {
	onEach(t, testLeaseIsNotAskedForOnAKeptConnection)
}

func testLeaseIsNotAskedForOnAKeptConnection(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	var asked atomic.Int64
	e.held = func() bool { return asked.Add(1) > 0 }
	s := e.newSender(t, planFor(o.URL()+"/ok"), nil)
	for slot := range int64(5) {
		if got := send(t, s, slot); got.Error != outcome.NoError {
			t.Errorf("slot %d = %v (%s), want a response", slot, got.Error, got.Message)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the lease was asked for %d times, want once for one connection", n)
	}
}
