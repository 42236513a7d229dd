package worker_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/logtest"
	"github.com/fanout-load/fanout/services/worker"
)

// Each engine carries out a plan, and closes connections when they have carried what they may.
func TestEngines(t *testing.T) {
	t.Parallel()
	for _, engine := range []fanoutv1.Engine{
		fanoutv1.Engine_ENGINE_UNSPECIFIED, fanoutv1.Engine_ENGINE_HTTP1, fanoutv1.Engine_ENGINE_STD,
	} {
		for limit, connections := range map[int32]int64{0: 1, 1: 40, 3: 14, 40: 1} {
			t.Run(fmt.Sprintf("%v, %d a connection", engine, limit), func(t *testing.T) {
				t.Parallel()
				o := oracle(t)
				_, client := start(t, worker.Config{})
				p := planOf(closedLoop(40, 1), o.URL()+"/ok")
				p.Http.Engine, p.Http.RequestsPerConnection = engine, limit
				a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p})
				a.check(t, 40)
				if got := a.finished.GetCounts().GetResponses(); got != 40 || o.Connections() != connections {
					t.Errorf("%d responses on %d connections, want 40 on %d", got, o.Connections(), connections)
				}
			})
		}
	}
}

// Direct calls hand on connections, but not those calls that count what a connection carries.
func TestConnectionsBetweenCalls(t *testing.T) {
	t.Parallel()
	for limit, connections := range map[int32]int64{0: 1, 1: 3, 100: 3} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			o := oracle(t)
			_, client := start(t, worker.Config{})
			for range 3 {
				p := planOf(nil, o.URL()+"/ok")
				p.Http.RequestsPerConnection = limit
				fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p}).check(t, 1)
			}
			if got := o.Connections(); got != connections {
				t.Errorf("3 calls were on %d connections, want %d", got, connections)
			}
		})
	}
}

// A worker says in its log what its machine lacks for its share of a run, and nothing where that is enough.
func TestPreflight(t *testing.T) {
	t.Parallel()
	caps := worker.DefaultCaps()
	caps.Senders = 100
	for _, tt := range []struct {
		name  string
		rate  float64
		shard *fanoutv1.Shard
		warns bool
	}{
		{"a rate for which a second is long", 150, nil, true},
		{"one for which it is not", 50, nil, false},
		{"half of it", 150, &fanoutv1.Shard{RunId: "run", ShardId: "s0", Grants: []*fanoutv1.Grant{{Stride: 2, Count: 15}}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := oracle(t)
			var log logtest.Log
			_, client := start(t, worker.Config{Caps: caps, Log: slog.New(slog.NewTextHandler(&log, nil))})
			p := planOf(openLoop(tt.rate), o.URL()+"/ok")
			p.Load.Duration = durationpb.New(200e6)
			a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p, Shard: tt.shard})
			a.check(t, int64(len(a.outcomes)))
			if said := strings.Contains(log.String(), "100 requests at once"); said != tt.warns {
				t.Errorf("the log is %q, want a warning: %v", log.String(), tt.warns)
			}
		})
	}
}
