package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestGrpcurlAndTheWorker(t *testing.T) {
	t.Parallel()
	grpcurl := tool(t, "grpcurl")
	w, demo := start(t, "worker"), start(t, "target", "--quiet")
	for _, service := range []string{"fanout.v1.WorkerService", "grpc.health.v1.Health"} {
		if got := execute(t, grpcurl, "-plaintext", w.address, "list"); !strings.Contains(got.stdout, service) {
			t.Errorf("list = %q, want %s in it", got.stdout, service)
		}
	}
	if got := execute(t, grpcurl, "-plaintext", w.address, "describe", "fanout.v1.Outcome"); !strings.Contains(got.stdout, "service_nanos") {
		t.Errorf("describe = %q, want the fields", got.stdout)
	}
	got := execute(t, grpcurl, "-plaintext", "-d",
		`{"plan":{"requests":[{"url":"http://`+demo.address+`/inc"}],"load":{"requests":10},"outcomes":{"body":{}}}}`,
		w.address, "fanout.v1.WorkerService/FanOut")
	if n := strings.Count(got.stdout, `"text": "The count is: `); got.code != 0 || n != 10 {
		t.Errorf("FanOut = exit %d with %d readable bodies, want 0 and 10:\n%s%s", got.code, n, got.stdout, got.stderr)
	}
	got = execute(t, grpcurl, "-plaintext", w.address, "fanout.v1.WorkerService/GetWorker")
	if !strings.Contains(got.stdout, `"maxSenderCount"`) {
		t.Errorf("GetWorker = %q %q, want the caps", got.stdout, got.stderr)
	}
	got = execute(t, grpcurl, "-plaintext", "-d", `{"plan":{"requests":[{"url":"ftp://x"}],"load":{"requests":-1}}}`,
		w.address, "fanout.v1.WorkerService/FanOut")
	for _, want := range []string{"InvalidArgument", "plan.requests[0].url", "plan.load.requests", "google.rpc.BadRequest"} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("FanOut of a bad plan = %q, want %s in it", got.stderr, want)
		}
	}
}

func TestGrpcurlAndTheCoordinator(t *testing.T) {
	t.Parallel()
	grpcurl := tool(t, "grpcurl")
	w, demo := start(t, "worker"), start(t, "target", "--quiet")
	c := start(t, "coordinator", "--workers", w.address)
	call := func(method, message string) string {
		t.Helper()
		got := execute(t, grpcurl, "-plaintext", "-d", message, c.address, "fanout.v1.CoordinatorService/"+method)
		if got.code != 0 {
			t.Fatalf("%s = exit %d: %s", method, got.code, got.stderr)
		}
		return got.stdout
	}
	var created struct{ Run struct{ ID string } }
	text := call("CreateRun", `{"plan":{"requests":[{"url":"http://`+demo.address+`/inc"}],"load":{"requests":20}}}`)
	if err := json.Unmarshal([]byte(text), &created); err != nil || created.Run.ID == "" {
		t.Fatalf("CreateRun = %s: %v", text, err)
	}
	run := `{"run_id":"` + created.Run.ID + `"}`
	if got := call("WatchRun", run); !strings.Contains(got, "STATE_ENDED") || !strings.Contains(got, "VERDICT_PASSED") ||
		!strings.Contains(got, `"responses": "20"`) {
		t.Errorf("WatchRun = %s, want the end of it", got)
	}
	for method, want := range map[string]string{
		"GetRun": `"p99"`, "ListRunIntervals": `"intervals"`, "CancelRun": "STATE_ENDED",
	} {
		if got := call(method, run); !strings.Contains(got, want) {
			t.Errorf("%s = %s, want %s in it", method, got, want)
		}
	}
	if got := call("ListRuns", `{}`); !strings.Contains(got, created.Run.ID) {
		t.Errorf("ListRuns = %s, want the run", got)
	}
	if got := call("ListWorkers", `{}`); !strings.Contains(got, w.address) {
		t.Errorf("ListWorkers = %s, want the worker", got)
	}
}
