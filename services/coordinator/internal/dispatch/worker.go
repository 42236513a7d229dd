// Package dispatch is the coordinator's side of the conversation with its workers: it reaches them, opens and attaches one FanOut
// call for each shard, hands on what the streams bring, and renews leases. It keeps no account of its own.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// Conn is a connection to one worker.
type Conn interface {
	grpc.ClientConnInterface
	Close() error
}

// Dial makes a connection to one worker.
type Dial func(address string) (Conn, error)

// Worker is a worker process, and the connection to it. It is safe for concurrent use.
type Worker struct {
	Address string
	Info    *fanoutv1.GetWorkerResponse // nil: it was not asked
	Trip    time.Duration               // GetWorker's best round trip

	dial Dial

	mu    sync.Mutex
	conn  Conn  // guarded by mu
	clock clock // guarded by mu
}

// clock is what is known of a worker's monotonic clock: what it read in the middle of the best round trip.
type clock struct {
	trip  time.Duration // 0: nothing is known
	at    time.Time     // on our clock
	reads time.Duration
}

// ErrNoClock says that a worker has not told what its clock reads.
var ErrNoClock = errors.New("the worker's clock is not known yet")

const (
	// reachTimeout is how long a worker has to say who it is.
	reachTimeout = 2 * time.Second
	// trips is how often it is asked: the first call pays for the connection, and the best of the others measures the clock best.
	// leastTrips have to be made; the others only if the worker is not far away.
	trips      = 5
	leastTrips = 2
)

// Reach connects to the worker at address and asks who it is. version is this coordinator's. The error says in one sentence what is
// wrong, the address included; it is a *ProtocolError if the two cannot work together.
func Reach(ctx context.Context, dial Dial, address, version string) (*Worker, error) {
	w, err := Known(dial, address)
	if err != nil {
		return nil, err
	}
	err = w.ask(ctx)
	if p := w.Info.GetProtocol(); err == nil && p != wire.Protocol {
		err = &ProtocolError{Address: address, Worker: w.Info.GetVersion(), Protocol: p, Coordinator: version}
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// ProtocolError says that a worker speaks another protocol than this coordinator.
type ProtocolError struct {
	Address             string
	Worker, Coordinator string // versions
	Protocol            int32  // the worker's
}

// Error names both versions.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("worker %s is of version %.80q and speaks protocol %d, and this coordinator is of version %q and speaks protocol %d; run the same version of both",
		e.Address, e.Worker, e.Protocol, e.Coordinator, wire.Protocol)
}

// Known is the worker at an address that was reached before. Nothing is dialled yet, and its clock is not known.
func Known(dial Dial, address string) (*Worker, error) {
	conn, err := dial(address)
	if err != nil {
		return nil, err
	}
	return &Worker{Address: address, dial: dial, conn: conn}, nil
}

// ask asks the worker who it is, and what its clock reads.
func (w *Worker) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*leastTrips*reachTimeout)
	defer cancel()
	begun := time.Now()
	for i := range trips {
		sent := time.Now()
		if i >= leastTrips && sent.Sub(begun) > reachTimeout {
			break
		}
		ctx, cancel := context.WithTimeout(ctx, reachTimeout)
		info, err := w.client().GetWorker(ctx, &fanoutv1.GetWorkerRequest{})
		cancel()
		if err != nil {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("worker %s cannot be reached: it did not answer within %v", w.Address, reachTimeout)
			}
			if rpcerr.IsRefusal(err) {
				return fmt.Errorf("worker %s refuses this coordinator, which shows its own --tls-cert, or the token of --worker-token-file: %s", w.Address, rpcerr.Text(err))
			}
			return fmt.Errorf("worker %s cannot be reached: %s", w.Address, rpcerr.Text(err))
		}
		trip := time.Since(sent)
		if i == 0 || trip < w.Trip {
			w.Trip = trip
		}
		w.Info = info
		if i > 0 {
			w.observe(sent, trip, time.Duration(info.GetClockNanos()))
		}
	}
	return nil
}

// observe notes what the worker's clock read within a round trip, if it is the best so far.
func (w *Worker) observe(sent time.Time, trip, reads time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.clock.trip == 0 || trip < w.clock.trip {
		w.clock = clock{trip: max(trip, 1), at: sent.Add(trip / 2), reads: reads}
	}
}

// Clock is what the worker's monotonic clock reads at the moment t of ours, by the best round trip so far. It fails with
// ErrNoClock.
func (w *Worker) Clock(t time.Time) (time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.clock.trip == 0 {
		return 0, ErrNoClock
	}
	return w.clock.reads + t.Sub(w.clock.at), nil
}

// InstanceID is the worker process; "" if it was not asked.
func (w *Worker) InstanceID() string { return w.Info.GetInstanceId() }

// Renew renews a lease. The error is the RPC's.
func (w *Worker) Renew(ctx context.Context, r *wire.Renewal) (*wire.Position, error) {
	sent := time.Now()
	response, err := w.client().RenewLease(ctx, wire.RenewalProto(r))
	if err != nil {
		return nil, err
	}
	p := wire.NewPosition(response)
	w.observe(sent, time.Since(sent), p.Clock)
	return p, nil
}

func (w *Worker) client() fanoutv1.WorkerServiceClient {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fanoutv1.NewWorkerServiceClient(w.conn)
}

func (w *Worker) connection() Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn
}

// Redial gives up the connection, with the streams on it, and makes a new one: after a link was down the old one may wait for
// minutes, although the worker is there.
func (w *Worker) Redial() {
	conn, err := w.dial(w.Address)
	if err != nil {
		return // the old one is as good
	}
	w.mu.Lock()
	old := w.conn
	w.conn = conn
	w.mu.Unlock()
	_ = old.Close()
}

// Close closes the connection.
func (w *Worker) Close() { _ = w.connection().Close() }
