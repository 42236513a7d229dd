package main

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/wire"
	"github.com/fanout-load/fanout/services/worker"
)

// hardLimits is the hard limit of each flag, as people write it, by service; and one more.
func hardLimits() map[string]map[string][2]string {
	both := map[string][2]string{
		"max-slots":      {"40000000000", "40000000001"},
		"max-rate":       {"10000000", "10000000.5"},
		"max-duration":   {"24h0m0s", "24h1ms"},
		"max-requests":   {"10000", "10001"},
		"max-plan-bytes": {"3670016", "3670017"},
		"max-head-bytes": {"262144", "262145"},
		"max-body-bytes": {"2097152", "2097153"},
		"max-url-bytes":  {"65536", "65537"},
		"max-redirects":  {"50", "51"},
	}
	ofWorker, ofCoordinator := maps.Clone(both), maps.Clone(both)
	ofWorker["max-calls"] = [2]string{"4096", "4097"}
	ofWorker["max-calls-per-subject"] = [2]string{"4096", "4097"}
	ofWorker["max-senders"] = [2]string{"262144", "262145"}
	ofWorker["max-response-bytes"] = [2]string{"1099511627776", "1099511627777"}
	ofWorker["max-queue-bytes"] = [2]string{"1073741824", "1073741825"}
	ofCoordinator["max-runs"] = [2]string{"1000", "1001"}
	ofCoordinator["max-runs-per-subject"] = [2]string{"1000", "1001"}
	ofCoordinator["max-watchers"] = [2]string{"100000", "100001"}
	return map[string]map[string][2]string{"worker": ofWorker, "coordinator": ofCoordinator}
}

// A cap beyond its hard limit keeps a service from starting, with the flag, the value, the limit and why it is there; so does one with
// which nothing could be taken. Each cap of a service is in the table.
func TestHardLimits(t *testing.T) {
	t.Parallel()
	for service, caps := range hardLimits() {
		args := []string{service}
		if service == "coordinator" {
			args = append(args, "--workers", "127.0.0.1:1", "--store", "memory")
		}
		help := command(t, service, "--help").out
		if n := strings.Count(help, " --max-"); n != len(caps) {
			t.Errorf("fanout %s --help has %d caps, want the %d of this test", service, n, len(caps))
		}
		for name, limit := range caps {
			t.Run(service+" "+name, func(t *testing.T) {
				t.Parallel()
				flag := "--" + name
				for _, tt := range []struct {
					value string
					want  []string
				}{
					{limit[1], []string{flag, "is beyond the hard limit of " + limit[0] + ": ", "; give at most that"}},
					{"-1", []string{flag, "-1", "is less than"}},
					{"", []string{flag, `""`, "is not a"}},
					{"many", []string{flag, `"many"`, "is not a"}},
				} {
					if name == "max-duration" && tt.value == "-1" {
						tt.value = "-1s"
					}
					got := command(t, append(slices.Clone(args), flag+"="+tt.value)...)
					for _, want := range tt.want {
						if got.code != exitUsage || !strings.Contains(firstLine(got.err), want) {
							t.Errorf("fanout %s %s=%s = exit %d, %q, want 2 and %q", service, flag, tt.value, got.code, got.err, want)
						}
					}
				}
				if name != "max-redirects" {
					zero := "0"
					if name == "max-duration" {
						zero = "0s"
					}
					if got := command(t, append(slices.Clone(args), flag, zero)...); got.code != exitUsage || !strings.Contains(got.err, flag+" "+zero+" is less than") {
						t.Errorf("fanout %s %s %s = exit %d, %q, want 2", service, flag, zero, got.code, got.err)
					}
				}
				config := tempFile(t, name+": "+limit[1]+"\n")
				got := command(t, append(slices.Clone(args), "--config", config)...)
				if want := fmt.Sprintf("(%s is given by %s, line 1, %s)", flag, config, name); got.code != exitUsage || !strings.Contains(got.err, want) {
					t.Errorf("fanout %s with %s in a file = exit %d, %q, want 2 and %q", service, name, got.code, got.err, want)
				}
			})
		}
	}
	if got := command(t, "worker", "--max-rate", "NaN"); got.code != exitUsage || !strings.Contains(got.err, "--max-rate NaN") {
		t.Errorf("fanout worker --max-rate NaN = exit %d, %q, want 2", got.code, got.err)
	}
}

// The hard limits themselves are taken, but for senders, of which the system's limit on files may allow fewer.
func TestAtTheHardLimits(t *testing.T) {
	t.Parallel()
	args := map[string][]string{"worker": {"worker"}, "coordinator": {"coordinator", "--workers", "127.0.0.1:1"}}
	for service, caps := range hardLimits() {
		for name, limit := range caps {
			if name != "max-senders" {
				args[service] = append(args[service], "--"+name, limit[0])
			}
		}
		start(t, args[service]...).stop()
	}
}

// More senders than files may be open are refused.
func TestSendersAndFiles(t *testing.T) {
	t.Parallel()
	most := worker.MostSenders(10)
	if most == 0 || most >= plan.HardCaps().Senders {
		t.Skip("as many files may be open as anybody likes")
	}
	got := command(t, "worker", "--max-calls", "10", "--max-senders", fmt.Sprint(most+1))
	if got.code != exitUsage || !strings.Contains(got.err, fmt.Sprintf("--max-senders %d and --max-calls 10", most+1)) ||
		!strings.Contains(got.err, fmt.Sprintf("ulimit -n), or give at most %d", most)) {
		t.Errorf("fanout worker with a sender too many = exit %d, %q, want 2, and the most", got.code, got.err)
	}
	start(t, "worker", "--max-calls", "10", "--max-senders", fmt.Sprint(most)).stop()
}

// GetWorker tells what the flags say, and ListWorkers what GetWorker tells.
func TestCapsAreTold(t *testing.T) {
	t.Parallel()
	want := plan.Caps{
		Calls: 3, Senders: 30, Slots: 31, Rate: 32.5, Duration: 33 * time.Second, Requests: 34, PlanBytes: 35, HeadBytes: 3600,
		BodyBytes: 37, URLBytes: 38, Redirects: 9, ResponseBytes: 39, QueueBytes: 4 << 20, Memory: worker.DefaultCaps().Memory,
	}
	w := start(t, "worker", "--max-calls", "3", "--max-senders", "30", "--max-slots", "31", "--max-rate", "32.5", "--max-duration", "33s",
		"--max-requests", "34", "--max-plan-bytes", "35", "--max-head-bytes", "3600", "--max-body-bytes", "37", "--max-url-bytes", "38",
		"--config", tempFile(t, "max-redirects: 9\nmax-response-bytes: 39\nmax-queue-bytes: 4_194_304\n"))
	c := start(t, "coordinator", "--workers", w.address)
	conn, err := grpcdial.New(c.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	workers, err := fanoutv1.NewCoordinatorServiceClient(conn).ListWorkers(t.Context(), &fanoutv1.ListWorkersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got := wire.Caps(workers.GetWorkers()[0].GetWorker().GetCaps()); got != want {
		t.Errorf("the worker's caps are %+v, want %+v", got, want)
	}
}

// The caps of the flags are those of the services when none is given.
func TestDefaultCaps(t *testing.T) {
	t.Parallel()
	var w workerCapsFlags
	w.add(newTarget(stdio{}))
	ofWorker := worker.Config{Log: slog.New(slog.DiscardHandler)}
	if err := w.take(&ofWorker); err != nil || ofWorker.Caps != worker.DefaultCaps() || ofWorker.MaxCallsPerSubject != 0 {
		t.Errorf("the worker's flags give %+v, %v, want %+v", ofWorker, err, worker.DefaultCaps())
	}
	var c coordinatorCapsFlags
	c.add(newTarget(stdio{}))
	var config coordinator.Config
	if err := c.take(&config); err != nil || config.Caps != plan.DefaultCaps() || config.MaxRuns != coordinator.DefaultMaxRuns || config.MaxWatchers != coordinator.DefaultMaxWatchers ||
		config.MaxRunsPerSubject != coordinator.DefaultMaxRunsPerSubject {
		t.Errorf("the coordinator's flags give %+v, %v, want the defaults", config, err)
	}
}
