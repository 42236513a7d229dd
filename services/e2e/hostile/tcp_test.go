package hostile

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/worker"
)

// victim is a worker behind a port.
type victim struct {
	address string
	worker  *worker.Worker
}

// startVictim serves a worker from whose targets nothing comes until the test's end.
func startVictim(t *testing.T) *victim {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{l.Addr().String(), worker.New(worker.Config{Dialer: refusing()})}
	server := grpcserve.New(slog.New(slog.DiscardHandler), grpcserve.Security{})
	v.worker.Register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		v.worker.Close()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("Serve = %v, want no error", err)
		}
	})
	return v
}

// client is a client with a connection of its own.
func (v *victim) client(t *testing.T) fanoutv1.WorkerServiceClient {
	t.Helper()
	conn, err := grpcdial.New(v.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return fanoutv1.NewWorkerServiceClient(conn)
}

// raw is a connection on which anything can be written.
func (v *victim) raw(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", v.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// wantServed checks that somebody who means no harm is served: a call is carried out.
func (v *victim) wantServed(t *testing.T, client fanoutv1.WorkerServiceClient) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := client.GetWorker(ctx, &fanoutv1.GetWorkerRequest{}); err != nil {
		t.Errorf("GetWorker of somebody else = %v, want an answer", err)
	}
}

// meanwhile serves somebody who means no harm again and again until the attack returns, and once after it.
func (v *victim) meanwhile(t *testing.T, attack func()) {
	t.Helper()
	client := v.client(t)
	over := make(chan struct{})
	var other sync.WaitGroup
	other.Go(func() {
		for {
			v.wantServed(t, client)
			select {
			case <-over:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	attack()
	close(over)
	other.Wait()
	v.wantServed(t, client)
}

// wantIdle waits until no call goes on.
func (v *victim) wantIdle(t *testing.T) {
	t.Helper()
	client := v.client(t)
	for end := time.Now().Add(patience); ; {
		who, err := client.GetWorker(t.Context(), &fanoutv1.GetWorkerRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if who.GetRunningCount() == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d calls still go on", who.GetRunningCount())
		}
	}
}

// short is a load that is over soon, and takes little.
func short() *fanoutv1.Plan {
	return &fanoutv1.Plan{
		Requests: []*fanoutv1.Request{{Url: "http://192.0.2.1/"}},
		Load: &fanoutv1.Load{Duration: milliseconds(100), Shape: &fanoutv1.Load_OpenLoop{OpenLoop: &fanoutv1.OpenLoop{
			Stages: []*fanoutv1.Stage{{RatePerSecond: 50}}, MaxConcurrency: 1,
		}}},
	}
}
