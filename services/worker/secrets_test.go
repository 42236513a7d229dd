package worker_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/logtest"
	"github.com/fanout-load/fanout/services/worker"
)

// secretive is a plan that refers to a secret in a header and in its body, which the target sends back.
func secretive(url, header, body string) *fanoutv1.Plan {
	p := planOf(nil, url)
	p.Requests[0].Method = "POST"
	p.Requests[0].Headers = []*fanoutv1.Header{{Name: "Authorization", Value: header}}
	p.Requests[0].Body = &fanoutv1.Body{Content: &fanoutv1.Body_Text{Text: body}}
	p.Outcomes = &fanoutv1.OutcomeOptions{Body: &fanoutv1.BodyOptions{}}
	return p
}

// What a plan refers to goes to the target, with each engine, and only what the worker was told to allow.
func TestSecretsAreSent(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := worker.Config{Secrets: worker.Secrets{
		Env: []string{"TOKEN"}, Files: []string{file},
		LookupEnv: func(name string) (string, bool) { return "from-" + name, true },
	}}
	for _, engine := range []fanoutv1.Engine{fanoutv1.Engine_ENGINE_HTTP1, fanoutv1.Engine_ENGINE_STD} {
		o := oracle(t)
		_, client := start(t, config)
		p := secretive(o.URL()+"/echo?${env:TOKEN}", "Bearer ${env:TOKEN}", "a ${file:"+file+"} $${env:TOKEN}")
		p.Http.Engine = engine
		a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p})
		a.check(t, 1)
		got := a.outcomes[0].GetBody().GetText()
		for _, want := range []string{"Authorization: Bearer from-TOKEN", "a from-a-file ${env:TOKEN}", "POST /echo"} {
			if !strings.Contains(got, want) {
				t.Errorf("%v: the target has seen %q, want %q in it", engine, got, want)
			}
		}
	}
}

// What is not allowed, or is no header, refuses the call before anything is sent, by the name of the reference.
func TestSecretsThatAreNotAllowedRefuseTheCall(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	var log logtest.Log
	_, client := start(t, worker.Config{
		Log: slog.New(slog.NewTextHandler(&log, nil)),
		Secrets: worker.Secrets{
			Env:       []string{"LINES"},
			LookupEnv: func(string) (string, bool) { return "canary\r\nX-Evil: 1", true },
		},
	})
	for _, tt := range []struct {
		name, header, body string
		violations         int
		words              string
	}{
		{"a variable and a file", "Bearer ${env:TOKEN}", "${file:/etc/passwd}", 2, `plan.requests[0].headers[0].value: refers to the environment variable "TOKEN", which this worker does not allow; start it with --allow-secret-env "TOKEN"`},
		{"a line's end", "Bearer ${env:LINES}", "", 1, `"${env:LINES}" has a control character`},
	} {
		for _, shard := range []*fanoutv1.Shard{nil, {RunId: "run", ShardId: "s0", Grants: consecutive(0, 1)}} {
			stream, err := client.FanOut(t.Context(), &fanoutv1.FanOutRequest{Plan: secretive(o.URL()+"/ok", tt.header, tt.body), Shard: shard})
			if err == nil {
				_, err = stream.Recv()
			}
			wantCode(t, tt.name, err, codes.InvalidArgument)
			all := err.Error() + protojson.Format(status.Convert(err).Proto())
			if violations(err) != tt.violations || !strings.Contains(err.Error(), tt.words) || strings.Contains(all, "canary") {
				t.Errorf("%s: error = %s, want %d violations with %q", tt.name, all, tt.violations, tt.words)
			}
		}
	}
	if got := o.Connections(); got != 0 {
		t.Errorf("the target has %d connections, want none", got)
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("the log has a secret:\n%s", log.String())
	}
}

// A shard has its secrets from its opening on: who attaches to it does not need them to be there still.
func TestAttachingNeedsNoSecrets(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	var gone atomic.Bool
	config := worker.Config{Secrets: worker.Secrets{Env: []string{"TOKEN"}, LookupEnv: func(string) (string, bool) { return "secret", !gone.Load() }}}
	p := secretive(o.URL()+"/echo", "Bearer ${env:TOKEN}", "")
	p.Load = closedLoop(4, 2)
	h := startLeaseholder(t, config, p)
	h.open()
	gone.Store(true)
	again := h.attach()
	if again.started == nil {
		t.Fatalf("attaching = %v, want the shard", again.err)
	}
	h.renew(&fanoutv1.RenewLeaseRequest{StartClockNanos: h.now(), Grants: consecutive(0, 4), LastGrant: true})
	wantEnd(t, again.end(t), fanoutv1.FinishReason_FINISH_REASON_COMPLETED, 4)
	for slot, outcome := range again.rows {
		if !strings.Contains(outcome.GetBody().GetText(), "Bearer secret") {
			t.Errorf("slot %d: the target has seen %q, want the secret", slot, outcome.GetBody().GetText())
		}
	}
}
