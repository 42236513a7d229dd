package kubernetes

import (
	"encoding/json"
	"testing"

	"github.com/fanout-load/fanout/services/e2e/judging"
)

// judgeURL is the judge as workers know it.
const judgeURL = "http://judge." + world + ":8080"

// ask asks the judge for something, and returns what it says then. The way there is the API server's, which passes it on to the pod.
func (b *box) ask(t *testing.T, what string) judgeState {
	t.Helper()
	text := b.must(t, "kubectl", "get", "--raw", "/api/v1/namespaces/"+world+"/services/judge:control/proxy/"+what)
	var state judgeState
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		t.Fatalf("the judge says %s: %v", text, err)
	}
	return state
}

// hold holds a run's report against the ledger: what is delivered for certain is in it, and nothing that cannot be; no slot is in it
// twice. The ledger has this run alone.
func (b *box) hold(t *testing.T, r *report) {
	t.Helper()
	state := b.ask(t, "state")
	least, most := judging.Bounds(t, r.Counts.Responses, r.Counts.Unknown, r.Errors)
	if state.Total < least || state.Total > most {
		t.Errorf("the target saw %d requests, want %d to %d: counts %+v, errors %+v", state.Total, least, most, r.Counts, r.Errors)
	}
	if len(state.Duplicates) > 0 || state.Total != state.Slots[r.ID] {
		t.Errorf("the target saw %d requests and %d slots of the run, and more than once %q", state.Total, state.Slots[r.ID], state.Duplicates)
	}
}
