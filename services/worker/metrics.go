package worker

import (
	"fmt"

	"github.com/fanout-load/fanout/services/internal/metrics"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// figures is what became of the slots of all calls. Each call adds what its tally has grown by whenever it makes one, and when it is over:
// nothing is counted on the way of a request.
type figures struct{ responses, errors, notSent metrics.Counters }

// statusClasses are the values of the label of responses: a target may answer with any number.
var statusClasses = []string{"1xx", "2xx", "3xx", "4xx", "5xx", "other"}

// expose shows the worker's figures.
func (w *Worker) expose(m *metrics.Endpoint) figures {
	m.Gauge("fanout_worker_calls", "Direct calls that go on.", func() int64 {
		w.mu.Lock()
		defer w.mu.Unlock()
		return int64(len(w.calls))
	})
	m.Gauge("fanout_worker_leases", "Shards of runs that go on.", w.leasesRunning)
	m.Gauge("fanout_worker_senders", "Senders that are taken, of fanout_worker_senders_max.", w.room.Senders)
	m.Gauge("fanout_worker_senders_max", "The cap on senders.", func() int64 { return w.config.Caps.Senders })
	return figures{
		responses: m.Counters("fanout_worker_responses_total", "Responses, by the class of their HTTP status.",
			"status_class", statusClasses),
		errors: m.Counters("fanout_worker_errors_total", "Slots without a whole response, by error class.",
			"error_class", names(outcome.Classes())),
		notSent: m.Counters("fanout_worker_not_sent_total", "Slots that were not sent, by reason.",
			"reason", names(outcome.Reasons())),
	}
}

// names is the names of a closed list.
func names[T fmt.Stringer](list []T) []string {
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = v.String()
	}
	return all
}

// leasesRunning is how many shards with a lease go on; those whose final message is kept do not.
func (w *Worker) leasesRunning() (n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.leases {
		if !e.isOver() {
			n++
		}
	}
	return n
}

// counting adds one call to the figures. One goroutine uses it.
type counting struct {
	figures *figures
	// What was added already, by label.
	responses, errors, notSent map[string]int64
}

// count adds what the call's tally has more than when it was counted last.
func (c *counting) count(total *tally.Tally) {
	responses, errors, notSent := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for status, n := range total.ByStatus {
		responses[statusClass(status)] += n
	}
	for class, of := range total.Errors {
		errors[class.String()] += of.Count
	}
	for reason, n := range total.NotSent {
		notSent[outcome.Reason(reason).String()] += n
	}
	addGrowth(c.figures.responses, responses, c.responses)
	addGrowth(c.figures.errors, errors, c.errors)
	addGrowth(c.figures.notSent, notSent, c.notSent)
	c.responses, c.errors, c.notSent = responses, errors, notSent
}

func addGrowth(to metrics.Counters, now, before map[string]int64) {
	for label, n := range now {
		to.Add(label, n-before[label])
	}
}

func statusClass(status int32) string {
	if class := int(status / 100); 1 <= class && class < len(statusClasses) {
		return statusClasses[class-1]
	}
	return "other"
}
