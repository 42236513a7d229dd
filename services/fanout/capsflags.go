package main

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker"
)

// capFlag is a flag that sets a cap. What it points to has the default, and then what was given.
type capFlag struct {
	name  string
	usage string
	value any     // *int64, *float64 or *time.Duration
	least float64 // a duration in nanoseconds, as in most
	most  float64 // the hard limit
	why   string  // it is there
}

// why so many of the hard limits are where they are.
const becauseOfMessages = "it has to fit into a gRPC message of 4 MiB with what is beside it"

// planCaps is the flags of the caps on a plan, which both services have.
func planCaps(caps *plan.Caps) []capFlag {
	hard := plan.HardCaps()
	return []capFlag{
		{"max-slots", "`N` slots of a run; rate times duration too", &caps.Slots, 1, float64(hard.Slots), "schedules are exact up to there"},
		{"max-rate", "slots per second, `RATE`", &caps.Rate, 0.001, hard.Rate, "a histogram cannot tell apart what is closer"},
		{"max-duration", "`DURATION` of a load, a stage, a grace or a timeout", &caps.Duration, float64(time.Second), float64(hard.Duration), "a worker's clock reaches back as far as a load and its grace of a day each"},
		{"max-requests", "`N` requests in a plan", &caps.Requests, 1, float64(hard.Requests), "the mix of a plan's requests is exact within as many slots"},
		{"max-plan-bytes", "`BYTES` of a plan, encoded", &caps.PlanBytes, 1, float64(hard.PlanBytes), becauseOfMessages},
		{"max-head-bytes", "`BYTES` of a request's headers together, and of a response's head", &caps.HeadBytes, 1 << 10, float64(hard.HeadBytes), becauseOfMessages},
		{"max-body-bytes", "`BYTES` of a request's body, and of what is returned of a response's", &caps.BodyBytes, 1, float64(hard.BodyBytes), becauseOfMessages},
		{"max-url-bytes", "`BYTES` of a URL", &caps.URLBytes, 1, float64(hard.URLBytes), "no server takes longer ones"},
		{"max-redirects", "`N` redirects that a slot follows", &caps.Redirects, 0, float64(hard.Redirects), "more than that are a loop"},
	}
}

// workerCapsFlags are the flags of a worker's caps.
type workerCapsFlags struct {
	caps       plan.Caps
	perSubject int64
	flags      *pflag.FlagSet
	all        []capFlag
}

func (f *workerCapsFlags) add(cmd *cobra.Command) {
	f.caps, f.flags = plan.DefaultCaps(), cmd.Flags()
	f.perSubject = f.caps.Calls
	hard := plan.HardCaps()
	f.all = append([]capFlag{
		{"max-calls", "`N` calls at once", &f.caps.Calls, 1, float64(hard.Calls), "each has an open file, goroutines and a queue of its own"},
		{"max-calls-per-subject", "`N` calls at once of each caller who has a name; without the flag as many as of all", &f.perSubject, 1, float64(hard.Calls), "it is that of --max-calls"},
		{"max-senders", "`N` senders at once, of all calls; fewer where the system lets fewer files be open", &f.caps.Senders, 1, float64(hard.Senders), "they take 4 GiB, and a socket each"},
	}, planCaps(&f.caps)...)
	f.all = append(f.all, []capFlag{
		{"max-response-bytes", "`BYTES` of a response's body, as it is received", &f.caps.ResponseBytes, 1, float64(hard.ResponseBytes), "more does not come within a timeout"},
		{"max-queue-bytes", "`BYTES` of a call's outcomes that wait for its stream; less with a low memory limit", &f.caps.QueueBytes, 1 << 20, float64(hard.QueueBytes), "each call may have two"},
	}...)
	addCaps(f.flags, f.all)
}

// take sets the caps in the configuration, with what this process can hold where they are not given. More senders than files may be open are
// refused: whoever asks for them would only learn of it from a run that fails.
func (f *workerCapsFlags) take(config *worker.Config) error {
	if err := checkCaps(f.flags, f.all); err != nil {
		return err
	}
	caps, own := f.caps, worker.DefaultCaps()
	caps.Memory = own.Memory
	most := worker.MostSenders(caps.Calls)
	switch {
	case most == 0 || caps.Senders <= most:
	case f.flags.Changed("max-senders"):
		return fmt.Errorf("--max-senders %d and --max-calls %d need more files open than this process may have; "+
			"raise its limit (ulimit -n), or give at most %d", caps.Senders, caps.Calls, most)
	default:
		caps.Senders = most
		config.Log.Warn("fewer senders than the default, since each needs an open file; raise the limit on them (ulimit -n)", "senders", most)
	}
	if !f.flags.Changed("max-queue-bytes") {
		caps.QueueBytes = own.QueueBytes
	}
	config.Caps = caps
	if f.flags.Changed("max-calls-per-subject") {
		config.MaxCallsPerSubject = f.perSubject
	}
	return nil
}

// coordinatorCapsFlags are the flags of a coordinator's caps.
type coordinatorCapsFlags struct {
	caps       plan.Caps
	runs       int64
	perSubject int64
	watchers   int64
	flags      *pflag.FlagSet
	all        []capFlag
}

func (f *coordinatorCapsFlags) add(cmd *cobra.Command) {
	f.caps, f.runs, f.watchers, f.flags = plan.DefaultCaps(), coordinator.DefaultMaxRuns, coordinator.DefaultMaxWatchers, cmd.Flags()
	f.perSubject = coordinator.DefaultMaxRunsPerSubject
	f.all = append([]capFlag{
		{"max-runs", "`N` runs that go on at once", &f.runs, 1, coordinator.HardMaxRuns, "each takes a connection to every worker, and a transaction a second"},
		{"max-runs-per-subject", "`N` runs that go on at once of each caller who has a name", &f.perSubject, 1, coordinator.HardMaxRuns, "it is that of --max-runs"},
		{"max-watchers", "`N` watchers at once, of all runs", &f.watchers, 1, coordinator.HardMaxWatchers, "each takes two reports a second"},
	}, planCaps(&f.caps)...)
	addCaps(f.flags, f.all)
}

// take sets the caps in the configuration.
func (f *coordinatorCapsFlags) take(config *coordinator.Config) error {
	config.Caps, config.MaxRuns, config.MaxRunsPerSubject, config.MaxWatchers = f.caps, f.runs, f.perSubject, f.watchers
	return checkCaps(f.flags, f.all)
}

func addCaps(flags *pflag.FlagSet, all []capFlag) {
	for _, f := range all {
		usage := fmt.Sprintf("cap: %s; at most %s", f.usage, f.hard())
		switch value := f.value.(type) {
		case *int64:
			flags.Int64Var(value, f.name, *value, usage)
		case *float64:
			flags.Float64Var(value, f.name, *value, usage)
		case *time.Duration:
			flags.DurationVar(value, f.name, *value, usage)
		}
	}
}

// checkCaps says which cap is beyond its hard limit, or too little for anything.
func checkCaps(flags *pflag.FlagSet, all []capFlag) error {
	for _, f := range all {
		value, given := f.number()
		switch {
		case !flags.Changed(f.name):
		case value > f.most || math.IsNaN(value):
			return fmt.Errorf("--%s %s is beyond the hard limit of %s: %s; give at most that", f.name, given, f.hard(), f.why)
		case value < f.least:
			return fmt.Errorf("--%s %s is less than %s; give that to %s", f.name, given, f.shown(f.least), f.hard())
		}
	}
	return nil
}

// number is what the flag says, a duration in nanoseconds; and as text.
func (f capFlag) number() (float64, string) {
	switch v := f.value.(type) {
	case *int64:
		return float64(*v), strconv.FormatInt(*v, 10)
	case *time.Duration:
		return float64(*v), v.String()
	default:
		rate := *f.value.(*float64)
		return rate, f.shown(rate)
	}
}

// hard is the hard limit as text.
func (f capFlag) hard() string { return f.shown(f.most) }

func (f capFlag) shown(value float64) string {
	if _, ok := f.value.(*time.Duration); ok {
		return time.Duration(value).String()
	}
	return strconv.FormatFloat(value, 'f', -1, 64)
}
