package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/target"
)

// actsOnATerminal is the first thing in a text that could do anything to the terminal that it is printed on: a control character but
// the ends of lines and tabs, a mark without a shape of its own, or a byte that is no UTF-8, since a terminal may take it for Latin-1.
func actsOnATerminal(text string) string {
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 || !strconv.IsGraphic(r) && r != '\n' && r != '\t' {
			return strconv.Quote(text[max(i-20, 0):min(i+20, len(text))])
		}
	}
	return ""
}

func TestActsOnATerminal(t *testing.T) {
	t.Parallel()
	for _, r := range target.Escapes {
		if acts := actsOnATerminal("a" + string(r)); (acts == "") == strings.ContainsRune("\a\x1b\u009b\u009d\u009c\u202e\u2066\u200b\u2028\x7f", r) {
			t.Errorf("actsOnATerminal(%q) = %q", r, acts)
		}
	}
	for _, text := range []string{"a\rb", "a\x00", "a\x9b31m", "a\xff"} {
		if actsOnATerminal(text) == "" {
			t.Errorf("actsOnATerminal(%q) says nothing", text)
		}
	}
}

// Whatever a target sends, nothing of it acts on the terminal: neither of its body nor its reason phrase, of a head that is none and of
// where it redirects to; neither as text nor as JSON, and as JSON the body is what was sent.
func TestTargetsDoNotWriteToTheTerminal(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	for _, path := range []string{
		"/hostile/escape", "/hostile/escape-body", "/hostile/escape-reason", "/hostile/escape-head", "/hostile/escape-location",
		"/hostile/escape-header", "/hostile/header", "/hostile/reason", "/hostile/body", "/hostile/nul", "/hostile/latin1", "/garbage", "/garbage-status",
	} {
		for _, args := range [][]string{
			{"call", "--max-redirects", "1"},
			{"call", "--max-redirects", "1", "-o", "json"},
			{"run", "--max-redirects", "1"},
			{"run", "--max-redirects", "1", "-o", "json"},
		} {
			got := command(t, append(args, o.URL()+path)...)
			if acts := actsOnATerminal(got.out + got.err); acts != "" {
				t.Errorf("fanout %s %s writes %s", strings.Join(args, " "), path, acts)
			}
			if got.out == "" {
				t.Errorf("fanout %s %s = %q, want something to judge", strings.Join(args, " "), path, got.err)
			}
		}
	}
	got := command(t, "call", "-o", "json", o.URL()+"/hostile/escape-body")
	var answer struct{ Body struct{ Text string } }
	line, _, _ := strings.Cut(got.out, "\n")
	if err := json.Unmarshal([]byte(line), &answer); err != nil || !strings.HasPrefix(answer.Body.Text, target.Escapes+"\n\tsecond") {
		t.Errorf("the body in JSON is %q, %v, want what the target sent", answer.Body.Text, err)
	}
	got = command(t, "call", o.URL()+"/hostile/escape-body")
	if !strings.Contains(got.out, `\x1b]0;owned\a`) || !strings.Contains(got.out, `\u202e`) || strings.Count(got.out, "\n  ") < 2 {
		t.Errorf("the body as text is %q, want it in two lines with its escape sequences as text", got.out)
	}
}

// hostile is a worker and a coordinator that write to the terminal of whoever asks them, wherever they may put words.
type hostile struct {
	fanoutv1.UnimplementedWorkerServiceServer
	fanoutv1.UnimplementedCoordinatorServiceServer
	refuses bool
}

// Both services have a StopAll, each of its own messages.
type (
	hostileWorker      struct{ hostile }
	hostileCoordinator struct{ hostile }
)

func (h hostileWorker) StopAll(context.Context, *fanoutv1.WorkerServiceStopAllRequest) (*fanoutv1.WorkerServiceStopAllResponse, error) {
	return nil, status.Error(codes.Unavailable, evil)
}

func (h hostileCoordinator) StopAll(context.Context, *fanoutv1.CoordinatorServiceStopAllRequest) (*fanoutv1.CoordinatorServiceStopAllResponse, error) {
	return nil, status.Error(codes.Unavailable, evil)
}

const evil = target.Escapes

func (h hostile) err() error {
	if h.refuses {
		return status.Error(codes.Internal, evil)
	}
	return nil
}

func (h hostile) FanOut(_ *fanoutv1.FanOutRequest, stream grpc.ServerStreamingServer[fanoutv1.FanOutResponse]) error {
	if h.refuses {
		return h.err()
	}
	counts := &fanoutv1.Counts{Planned: 1, Errors: 1}
	figures := &fanoutv1.Tally{Counts: counts, Errors: []*fanoutv1.ErrorCount{{Class: fanoutv1.ErrorClass_ERROR_CLASS_OTHER, Count: 1, Examples: []string{evil}}}}
	for i, m := range []*fanoutv1.FanOutResponse{
		{Event: &fanoutv1.FanOutResponse_Started{Started: &fanoutv1.FanOutStarted{RunId: evil, Planned: 1}}},
		{Event: &fanoutv1.FanOutResponse_Outcomes{Outcomes: &fanoutv1.OutcomeBatch{Outcomes: []*fanoutv1.Outcome{{
			Request: -1, Error: fanoutv1.ErrorClass_ERROR_CLASS_OTHER, ErrorMessage: evil,
			Headers: []*fanoutv1.Header{{Name: evil, Value: evil}}, Body: &fanoutv1.Body{Content: &fanoutv1.Body_Text{Text: evil}},
			Connection: &fanoutv1.Connection{PeerAddress: evil, Protocol: evil},
		}}}}},
		{Event: &fanoutv1.FanOutResponse_Tally{Tally: figures}},
		{Event: &fanoutv1.FanOutResponse_Finished{Finished: &fanoutv1.FanOutFinished{Tally: figures}}},
	} {
		m.Sequence = int64(i + 1)
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	return nil
}

func (h hostile) run() *fanoutv1.Run {
	group := map[string]*fanoutv1.Tally{evil: {Counts: &fanoutv1.Counts{Planned: 1, Errors: 1}}}
	figures := &fanoutv1.Tally{
		Counts: &fanoutv1.Counts{Planned: 1, Errors: 1}, Groups: group,
		Errors: []*fanoutv1.ErrorCount{{Class: fanoutv1.ErrorClass_ERROR_CLASS_OTHER, Count: 1, Examples: []string{evil}}},
	}
	worker := &fanoutv1.WorkerResult{Address: evil, InstanceId: evil, Tally: figures, Failure: &fanoutv1.WorkerFailure{Message: evil}}
	return &fanoutv1.Run{
		Id: evil, Name: evil, Labels: map[string]string{evil: evil}, State: fanoutv1.State_STATE_ENDED, Verdict: fanoutv1.Verdict_VERDICT_INCOMPLETE,
		VerdictReason: evil, LimitedBy: fanoutv1.LimitedBy_LIMITED_BY_GENERATOR, LimitedReason: evil, Tally: figures,
		CreateTime: timestamppb.Now(), StartTime: timestamppb.Now(), EndTime: timestamppb.Now(), Workers: []*fanoutv1.WorkerResult{worker, worker},
		Plan: &fanoutv1.Plan{Requests: []*fanoutv1.Request{{
			Url: "http://" + target.Marks + "/", Group: "g" + target.Marks, Headers: []*fanoutv1.Header{{Name: "a", Value: target.Marks}},
		}}},
	}
}

func (h hostile) CreateRun(context.Context, *fanoutv1.CreateRunRequest) (*fanoutv1.CreateRunResponse, error) {
	return &fanoutv1.CreateRunResponse{Run: h.run()}, h.err()
}

func (h hostile) GetRun(context.Context, *fanoutv1.GetRunRequest) (*fanoutv1.GetRunResponse, error) {
	return &fanoutv1.GetRunResponse{Run: h.run()}, h.err()
}

func (h hostile) ListRuns(context.Context, *fanoutv1.ListRunsRequest) (*fanoutv1.ListRunsResponse, error) {
	return &fanoutv1.ListRunsResponse{Runs: []*fanoutv1.Run{h.run()}}, h.err()
}

func (h hostile) WatchRun(_ *fanoutv1.WatchRunRequest, stream grpc.ServerStreamingServer[fanoutv1.WatchRunResponse]) error {
	going := h.run()
	going.EndTime, going.State, going.Verdict = nil, fanoutv1.State_STATE_RUNNING, 0
	for _, r := range []*fanoutv1.Run{going, h.run()} {
		if err := stream.Send(&fanoutv1.WatchRunResponse{Run: r}); err != nil {
			return err
		}
	}
	return h.err()
}

func (h hostile) VerifyRun(context.Context, *fanoutv1.VerifyRunRequest) (*fanoutv1.VerifyRunResponse, error) {
	return &fanoutv1.VerifyRunResponse{Checks: []*fanoutv1.RunCheck{{Name: evil, Detail: evil}}}, h.err()
}

func (h hostile) CancelRun(context.Context, *fanoutv1.CancelRunRequest) (*fanoutv1.CancelRunResponse, error) {
	return &fanoutv1.CancelRunResponse{Run: h.run()}, h.err()
}

func (h hostile) DeleteRun(context.Context, *fanoutv1.DeleteRunRequest) (*fanoutv1.DeleteRunResponse, error) {
	return &fanoutv1.DeleteRunResponse{}, h.err()
}

// serveHostile serves it on a port of its own.
func serveHostile(t *testing.T, h hostile) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	fanoutv1.RegisterWorkerServiceServer(s, hostileWorker{h})
	fanoutv1.RegisterCoordinatorServiceServer(s, hostileCoordinator{h})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Stop()
		<-done
	})
	return l.Addr().String()
}

// Nor does a service that is not ours: its answers are as hostile as a target's.
func TestServicesDoNotWriteToTheTerminal(t *testing.T) {
	t.Parallel()
	for _, refuses := range []bool{false, true} {
		address := serveHostile(t, hostile{refuses: refuses})
		for _, args := range [][]string{
			{"call", "--worker", address, "http://a.test/"},
			{"call", "--worker", address, "-o", "json", "http://a.test/", "http://b.test/"},
			{"run", "--coordinator", address, "http://a.test/"},
			{"run", "--coordinator", address, "-o", "json", "http://a.test/"},
			{"runs", "list", "--coordinator", address},
			{"runs", "list", "--coordinator", address, "-o", "json"},
			{"runs", "show", "--coordinator", address, "r-1"},
			{"runs", "show", "--coordinator", address, "-o", "json", "r-1"},
			{"runs", "watch", "--coordinator", address, "r-1"},
			{"runs", "cancel", "--coordinator", address, "r-1"},
			{"runs", "verify", "--coordinator", address, "r-1"},
			{"runs", "delete", "--coordinator", address, "r-1"},
			{"stop-all", "--coordinator", address},
			{"stop-all", "--worker", address},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			got := begin(ctx, t, args...)()
			cancel()
			if acts := actsOnATerminal(got.out + got.err); acts != "" {
				t.Errorf("fanout %s (refused: %v) writes %s", strings.Join(args, " "), refuses, acts)
			}
			if got.out+got.err == "" && args[1] != "delete" {
				t.Errorf("fanout %s (refused: %v) says nothing", strings.Join(args, " "), refuses)
			}
			if !strings.Contains(got.out+got.err, "owned") && args[1] != "delete" && args[1] != "watch" && args[0] != "call" {
				t.Errorf("fanout %s (refused: %v) = exit %d, %q, %q, want the hostile words in it, harmless", strings.Join(args, " "), refuses, got.code, got.out, got.err)
			}
		}
	}
}

// A log is read on terminals too.
func TestLogsDoNotWriteToTheTerminal(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := newLog(&b)
	log.Info(evil, evil, evil, "error", fmt.Errorf("it said %s\xff\x9b31m", evil), "time", time.Now(), "panic", any([]string{evil}))
	log.With(evil, evil).WithGroup(evil).Warn("x", "k", "v\r\nfake line")
	if acts := actsOnATerminal(b.String()); acts != "" || strings.Count(b.String(), "\n") != 2 {
		t.Errorf("the log writes %s in\n%s", acts, b.String())
	}
}
