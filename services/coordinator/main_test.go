package coordinator_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/target"
	"github.com/fanout-load/fanout/services/worker"
)

// patience bounds every wait for something that comes soon unless it is broken.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves in this process until the test's end.
func serve(t *testing.T, register func(grpc.ServiceRegistrar)) *bufconn.Listener {
	t.Helper()
	return serveWith(t, grpcserve.Security{}, register)
}

func serveWith(t *testing.T, security grpcserve.Security, register func(grpc.ServiceRegistrar)) *bufconn.Listener {
	t.Helper()
	l := bufconn.Listen(256 << 10)
	server := grpcserve.New(slog.New(slog.DiscardHandler), security)
	register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("Serve = %v, want no error", err)
		}
	})
	return l
}

// dead stands for a worker at whose address nobody listens.
var dead fanoutv1.WorkerServiceServer

// newWorker is a real worker.
func newWorker(t *testing.T) *worker.Worker {
	t.Helper()
	w := worker.New(worker.Config{})
	t.Cleanup(w.Close)
	return w
}

func newWorkers(t *testing.T, n int) []fanoutv1.WorkerServiceServer {
	t.Helper()
	all := make([]fanoutv1.WorkerServiceServer, n)
	for i := range all {
		all[i] = newWorker(t)
	}
	return all
}

// service is a coordinator with its client.
type service struct {
	fanoutv1.CoordinatorServiceClient
	coordinator *coordinator.Coordinator
}

// address is where the worker with this number is.
func address(i int) string { return fmt.Sprintf("worker-%d:7070", i) }

// start starts a coordinator of these workers, which are at address(0), address(1), ….
func start(t *testing.T, workers ...fanoutv1.WorkerServiceServer) *service {
	t.Helper()
	return startWith(t, coordinator.Config{}, workers...)
}

// startWith starts a coordinator with a configuration, to which the workers are added.
func startWith(t *testing.T, config coordinator.Config, workers ...fanoutv1.WorkerServiceServer) *service {
	t.Helper()
	var addresses []string
	for i := range workers {
		addresses = append(addresses, address(i))
	}
	list, err := coordinator.ParseWorkers(strings.Join(addresses, ","))
	if err != nil {
		t.Fatal(err)
	}
	config.Workers = list
	return startAmong(t, config, workers...)
}

// startAmong starts a coordinator that its configuration tells at which addresses of these workers it finds any.
func startAmong(t *testing.T, config coordinator.Config, workers ...fanoutv1.WorkerServiceServer) *service {
	t.Helper()
	listeners := map[string]*bufconn.Listener{}
	for i, w := range workers {
		if w != dead {
			listeners[address(i)] = serve(t, func(s grpc.ServiceRegistrar) { fanoutv1.RegisterWorkerServiceServer(s, w) })
		}
	}
	config.Dial = func(address string) (coordinator.Conn, error) {
		return grpcdial.New(address, grpcdial.Over(func(ctx context.Context) (net.Conn, error) {
			if l := listeners[address]; l != nil {
				return l.DialContext(ctx)
			}
			return nil, errors.New("nobody listens here")
		}))
	}
	c, err := coordinator.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	l := serveWith(t, config.Security, c.Register)
	conn, err := grpcdial.New("coordinator", grpcdial.Over(l.DialContext))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &service{fanoutv1.NewCoordinatorServiceClient(conn), c}
}

func startOracle(t *testing.T) *target.Oracle {
	t.Helper()
	o, err := target.StartOracle(target.OracleConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Errorf("Close = %v, want no error", err)
		}
	})
	return o
}

// closedLoop is a plan of n requests (0: for 30 s) from so many senders.
func closedLoop(url string, n, concurrency int64) *fanoutv1.Plan {
	p := &fanoutv1.Plan{
		Requests: []*fanoutv1.Request{{Url: url}},
		Load:     &fanoutv1.Load{Requests: n, Shape: &fanoutv1.Load_ClosedLoop{ClosedLoop: &fanoutv1.ClosedLoop{Concurrency: concurrency}}},
		Http:     &fanoutv1.HttpOptions{SlotHeader: true},
	}
	if n == 0 {
		p.Load.Duration = durationpb.New(30 * time.Second)
	}
	return p
}

// openLoop is a plan of a rate for a time.
func openLoop(url string, rate float64, d time.Duration) *fanoutv1.Plan {
	return &fanoutv1.Plan{
		Requests: []*fanoutv1.Request{{Url: url}},
		Load: &fanoutv1.Load{
			Duration: durationpb.New(d),
			Shape:    &fanoutv1.Load_OpenLoop{OpenLoop: &fanoutv1.OpenLoop{Stages: []*fanoutv1.Stage{{RatePerSecond: rate}}}},
		},
		Http: &fanoutv1.HttpOptions{SlotHeader: true},
	}
}

func (s *service) create(t *testing.T, p *fanoutv1.Plan) *fanoutv1.Run {
	t.Helper()
	response, err := s.CreateRun(t.Context(), &fanoutv1.CreateRunRequest{Plan: p})
	if err != nil {
		t.Fatalf("CreateRun = %v, want a run", err)
	}
	return response.GetRun()
}

// watch is all snapshots of a run until its end; each has to be closed.
func (s *service) watch(t *testing.T, id string, view fanoutv1.RunView) []*fanoutv1.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := s.WatchRun(ctx, &fanoutv1.WatchRunRequest{RunId: id, View: view})
	if err != nil {
		t.Fatalf("WatchRun = %v, want a stream", err)
	}
	return receive(t, stream)
}

// receive is all snapshots that a watcher gets.
func receive(t *testing.T, stream grpc.ServerStreamingClient[fanoutv1.WatchRunResponse]) []*fanoutv1.Run {
	t.Helper()
	var all []*fanoutv1.Run
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("WatchRun = %v after %d messages, want its end", err, len(all))
		}
		wantClosed(t, response.GetRun())
		all = append(all, response.GetRun())
	}
	if len(all) == 0 || all[len(all)-1].GetState() != fanoutv1.State_STATE_ENDED {
		t.Fatalf("WatchRun = %d messages, want the last one ENDED", len(all))
	}
	return all
}

// carryOut creates a run and is the run at its end.
func (s *service) carryOut(t *testing.T, p *fanoutv1.Plan) *fanoutv1.Run {
	t.Helper()
	all := s.watch(t, s.create(t, p).GetId(), fanoutv1.RunView_RUN_VIEW_FULL)
	return all[len(all)-1]
}

// counts is the counts in one line, in the order of the message.
func counts(r interface{ GetTally() *fanoutv1.Tally }) string {
	c := r.GetTally().GetCounts()
	return fmt.Sprintf("planned %d = pending %d + in flight %d + responses %d + errors %d + not sent %d + unknown %d",
		c.GetPlanned(), c.GetPending(), c.GetInFlight(), c.GetResponses(), c.GetErrors(), c.GetNotSent(), c.GetUnknown())
}

// wantClosed checks that the counts of a run and of its workers add up, and that none is negative.
func wantClosed(t *testing.T, r *fanoutv1.Run) {
	t.Helper()
	check := func(who string, tally interface{ GetTally() *fanoutv1.Tally }) {
		c := tally.GetTally().GetCounts()
		parts := []int64{c.GetPending(), c.GetInFlight(), c.GetResponses(), c.GetErrors(), c.GetNotSent(), c.GetUnknown()}
		sum := int64(0)
		for _, n := range parts {
			sum += n
			if n < 0 {
				t.Errorf("%s: counts = %s, want no negative one", who, counts(tally))
			}
		}
		if sum != c.GetPlanned() {
			t.Errorf("%s: counts = %s, want them to add up", who, counts(tally))
		}
		if r.GetState() == fanoutv1.State_STATE_ENDED && c.GetPending()+c.GetInFlight() != 0 {
			t.Errorf("%s: counts = %s, want nothing open at the end", who, counts(tally))
		}
	}
	check("run "+r.GetState().String(), r)
	for _, w := range r.GetWorkers() {
		check("worker "+w.GetAddress(), w)
	}
}

// wantVerdict checks the verdict, and that the reason has the text.
func wantVerdict(t *testing.T, r *fanoutv1.Run, want fanoutv1.Verdict, text string) {
	t.Helper()
	if r.GetState() != fanoutv1.State_STATE_ENDED || r.GetVerdict() != want || !strings.Contains(r.GetVerdictReason(), text) ||
		text == "" && r.GetVerdictReason() != "" {
		t.Errorf("run = %v, %v, %q, want ENDED, %v, a reason with %q", r.GetState(), r.GetVerdict(), r.GetVerdictReason(), want, text)
	}
	if r.GetEndTime() == nil {
		t.Error("end_time = none, want one")
	}
}

// wantSeen checks that the target saw so many requests, none twice.
func wantSeen(t *testing.T, o *target.Oracle, want int64) {
	t.Helper()
	if key, n := o.Ledger().MaxPerSlot(); o.Ledger().Total() != want || n > 1 {
		t.Errorf("the target saw %d requests, %s %d times, want %d, each once", o.Ledger().Total(), key, n, want)
	}
}

// wantError checks the code and that ErrorInfo has the reason.
func wantError(t *testing.T, call string, err error, code codes.Code, reason string) {
	t.Helper()
	if status.Code(err) != code {
		t.Errorf("%s = %v, want %v", call, err, code)
		return
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "fanout.v1" && info.GetReason() == reason {
			return
		}
	}
	t.Errorf("%s = %v with details %v, want ErrorInfo with %s", call, err, status.Convert(err).Details(), reason)
}

// eventually waits for what is about to come true.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
