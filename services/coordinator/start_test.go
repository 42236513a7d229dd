package coordinator_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/worker"
)

// congested is a connection whose bytes take 300 ms to leave, once jam is set: a busy machine, or a lost packet.
type congested struct {
	net.Conn
	jam *atomic.Bool
}

func (c congested) Write(b []byte) (int, error) {
	if c.jam.Load() {
		time.Sleep(300 * time.Millisecond)
	}
	return c.Conn.Write(b)
}

// jamming jams the way to it once its first shard has arrived, for a second.
type jamming struct {
	*worker.Worker
	jam  atomic.Bool
	once atomic.Bool
}

func (w *jamming) FanOut(request *fanoutv1.FanOutRequest, s stream) error {
	if w.once.CompareAndSwap(false, true) {
		w.jam.Store(true)
		time.AfterFunc(time.Second, func() { w.jam.Store(false) })
	}
	return w.Worker.FanOut(request, s)
}

// A run that is opened in vain is opened again only if it is certain that nothing was sent. Where a cancellation comes too late
// to stop a worker, what it sends is unknown, and no slot is sent twice.
func TestAbandonedStartThatSends(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	far := &jamming{Worker: worker.New(worker.Config{})}
	late := &sluggishWorker{Worker: worker.New(worker.Config{})}
	listeners := map[string]*bufconn.Listener{
		address(0): serve(t, func(s grpc.ServiceRegistrar) { fanoutv1.RegisterWorkerServiceServer(s, far) }),
		address(1): serve(t, func(s grpc.ServiceRegistrar) { fanoutv1.RegisterWorkerServiceServer(s, late) }),
	}
	list, err := coordinator.ParseWorkers(strings.Join([]string{address(0), address(1)}, ","))
	if err != nil {
		t.Fatal(err)
	}
	c := coordinator.New(coordinator.Config{Workers: list, Dial: func(a string) (*grpc.ClientConn, error) {
		return grpcdial.New(a, grpcdial.Over(func(ctx context.Context) (net.Conn, error) {
			conn, err := listeners[a].DialContext(ctx)
			if a == address(0) && err == nil {
				return congested{conn, &far.jam}, nil
			}
			return conn, err
		}))
	}})
	t.Cleanup(c.Close)
	l := serve(t, c.Register)
	conn, err := grpcdial.New("coordinator", grpcdial.Over(l.DialContext))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s := &service{fanoutv1.NewCoordinatorServiceClient(conn), c}
	r := s.carryOut(t, closedLoop(o.URL()+"/ok", 2000, 10))
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_INCOMPLETE, address(0))
	n, seen := r.GetTally().GetCounts(), o.Ledger().Total()
	if settled := n.GetResponses() + n.GetErrors(); seen < settled || seen > settled+n.GetUnknown() {
		t.Errorf("the target saw %d requests, want what %s allows", seen, counts(r))
	}
	if key, times := o.Ledger().MaxPerSlot(); times > 1 {
		t.Errorf("the target saw %s %d times, want once at most", key, times)
	}
}
