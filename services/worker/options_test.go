package worker_test

import (
	"fmt"
	"testing"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
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
