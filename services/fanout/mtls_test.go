package main

import (
	"encoding/json"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/internal/grpcserve"
)

// A run over two workers, with certificates on every connection; and what those get who have none, or the wrong one.
func TestRunOverMTLS(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	certs, others := newTrialCerts(t), newTrialCerts(t)
	worker := append([]string{"worker"}, certs.as("worker")...)
	a, b := start(t, worker...), start(t, worker...)
	workers := a.address + "," + b.address
	c := start(t, append([]string{"coordinator", "--workers", workers}, certs.as("coordinator")...)...)
	client := certs.as("client")
	url := o.URL() + "/ok"

	for _, flags := range [][]string{{"--coordinator", c.address}, {"--workers", workers}} {
		got := command(t, append(append([]string{"run", "-n", "40", "-c", "4", "-o", "json", url}, flags...), client...)...)
		var r struct {
			Workers []struct{ Counts struct{ Responses int } }
		}
		if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.code != exitPassed {
			t.Fatalf("fanout run %q = exit %d, %v, %q, want 0 and JSON", flags, got.code, err, got.err)
		}
		if len(r.Workers) != 2 || r.Workers[0].Counts.Responses != 20 || r.Workers[1].Counts.Responses != 20 {
			t.Errorf("fanout run %q = %+v, want 20 responses of each worker", flags, r)
		}
	}
	if got := command(t, append([]string{"call", "--worker", a.address, "-n", "3", url}, client...)...); got.code != exitPassed {
		t.Errorf("fanout call = exit %d, %q, want 0", got.code, got.err)
	}
	if got := command(t, append([]string{"runs", "list", "--coordinator", c.address}, client...)...); got.code != exitPassed || !strings.Contains(got.out, "PASSED") {
		t.Errorf("fanout runs list = exit %d, %q, %q, want 0 and the run", got.code, got.out, got.err)
	}
	for _, address := range []string{a.address, c.address} {
		if got := command(t, append([]string{"health", address}, client...)...); got.code != exitPassed || got.out != "SERVING\n" {
			t.Errorf("fanout health = exit %d, %q, %q, want 0 and SERVING", got.code, got.out, got.err)
		}
	}

	for _, tt := range []struct {
		name  string
		flags []string
		want  string
	}{
		{"plaintext", nil, "give --tls-ca"},
		{"no certificate", certs.ca(), "give --tls-cert and --tls-key"},
		{"another trial's authority", append(certs.pair("client"), others.ca()...), "not of an authority in --tls-ca"},
		{"another trial's client", append(others.pair("client"), certs.ca()...), "does not know the authority"},
		{"the system's authorities", append(certs.pair("client"), "--tls-ca", "system"), "not of an authority in --tls-ca"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, args := range [][]string{
				{"runs", "list", "--coordinator", c.address},
				{"call", "--worker", a.address, url},
				{"run", "--workers", workers, url},
				{"health", a.address},
			} {
				got := command(t, append(args, tt.flags...)...)
				said := strings.Join(strings.Fields(got.out+got.err), " ") // a report is broken into lines
				if got.code != exitFailure || !strings.Contains(said, tt.want) {
					t.Errorf("fanout %q = exit %d, %q, %q, want 1 and %q", args, got.code, got.out, got.err, tt.want)
				}
			}
		})
	}
	if !testing.Short() { // takes 3 s, in which the coordinator may be started again
		got := command(t, append([]string{"run", "--coordinator", c.address, url}, certs.ca()...)...)
		want := "fanout: coordinator " + c.address + ": it takes only callers with a certificate; give --tls-cert and --tls-key (remote error: tls: certificate required)\n"
		if got.code != exitFailure || got.err != want {
			t.Errorf("fanout run without a certificate = exit %d, %q, want 1 and %q", got.code, got.err, want)
		}
	}
	if n := o.Ledger().Total(); n != 40+40+3 {
		t.Errorf("the target saw %d requests, want 83", n)
	}
}

// A coordinator is named and verified as its command line says; a certificate for another name is no use.
func TestNameMismatch(t *testing.T) {
	t.Parallel()
	certs := newTrialCerts(t)
	s := start(t, append([]string{"worker"}, certs.as("worker")...)...)
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	for host, code := range map[string]exitCode{"127.0.0.1": exitPassed, "localhost": exitPassed, "127.0.0.2": exitFailure} {
		got := command(t, append([]string{"health", net.JoinHostPort(host, port)}, certs.as("client")...)...)
		if got.code != code {
			t.Errorf("fanout health %s = exit %d, %q, %q, want %d", host, got.code, got.out, got.err, code)
		}
	}
}

// grpcurl reaches a secured service with the certificates of a client, and with nothing less.
func TestGrpcurlOverMTLS(t *testing.T) {
	t.Parallel()
	grpcurl, err := exec.LookPath("grpcurl")
	if err != nil {
		t.Skip("grpcurl is not here")
	}
	certs := newTrialCerts(t)
	s := start(t, append([]string{"worker"}, certs.as("worker")...)...)
	call := func(flags ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), grpcurl, append(append([]string{"-max-time", "20"}, flags...), s.address, "fanout.v1.WorkerService/GetWorker")...).CombinedOutput()
		return string(out), err
	}
	if out, err := call("-cacert", certs.file("ca.pem"), "-cert", certs.file("client.pem"), "-key", certs.file("client-key.pem")); err != nil || !strings.Contains(out, "instanceId") {
		t.Errorf("grpcurl = %v, %q, want the worker", err, out)
	}
	for name, flags := range map[string][]string{
		"no certificate":       {"-cacert", certs.file("ca.pem")},
		"plaintext":            {"-plaintext"},
		"a worker's":           {"-cacert", certs.file("ca.pem"), "-cert", certs.file("worker.pem"), "-key", certs.file("worker-key.pem")},
		"no check and no cert": {"-insecure"},
	} {
		if out, err := call(flags...); err == nil {
			t.Errorf("grpcurl with %s = %q, want an error", name, out)
		}
	}
}

// A service with certificates answers probes that have none, on a port of their own.
func TestHealthListen(t *testing.T) {
	t.Parallel()
	certs := newTrialCerts(t)
	for _, service := range []string{"worker", "coordinator"} {
		l, err := grpcserve.ListenHealth("127.0.0.1:0") // a port that was free a moment ago
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		probes := l.Addr().String()
		args := append([]string{service, "--health-listen", probes}, certs.as(service)...)
		name := "fanout.v1.WorkerService"
		if service == "coordinator" {
			args, name = append(args, "--workers", "127.0.0.1:1"), "fanout.v1.CoordinatorService"
		}
		s := start(t, args...)
		for _, flags := range [][]string{nil, {"--service", name}} {
			if got := command(t, append([]string{"health", probes}, flags...)...); got.code != exitPassed || got.out != "SERVING\n" {
				t.Errorf("fanout health of a %s, %q = exit %d, %q, %q, want 0 and SERVING", service, flags, got.code, got.out, got.err)
			}
		}
		if got := command(t, "health", "--service", "fanout.v1.None", probes); got.code != exitFailure || !strings.Contains(got.err, `"fanout.v1.None"`) {
			t.Errorf("fanout health of no service = exit %d, %q, want 1 and its name", got.code, got.err)
		}
		if got := command(t, "runs", "list", "--coordinator", probes); got.code != exitFailure {
			t.Errorf("fanout runs list at the health listener = exit %d, want 1", got.code)
		}
		if service == "worker" { // whoever may send from it does not reach what it listens on
			got := command(t, append([]string{"call", "--worker", s.address, "http://" + probes}, certs.as("client")...)...)
			if got.code != exitFailed || !strings.Contains(got.out, "POLICY_BLOCKED") {
				t.Errorf("fanout call to the worker's own health listener = exit %d, %q, %q, want 99 and POLICY_BLOCKED", got.code, got.out, got.err)
			}
		}
		s.stop()
		if got := command(t, "health", probes); got.code != exitFailure || got.out != "" {
			t.Errorf("fanout health of a %s that has ended = exit %d, %q, want 1", service, got.code, got.out)
		}
		taken, err := grpcserve.ListenHealth(probes)
		if err != nil {
			t.Fatalf("the health listener is not closed: %v", err)
		}
		args = append(args, "--listen", "127.0.0.1:0")
		if got := command(t, append(args, storeFlag(service)...)...); got.code != exitFailure || !strings.Contains(got.err, "--health-listen "+probes) {
			t.Errorf("fanout %s with a health listener that is taken = exit %d, %q, want 1 and the flag", service, got.code, got.err)
		}
		_ = taken.Close()
	}
}

// storeFlag keeps what a service keeps out of the user's directories.
func storeFlag(service string) []string {
	if service == "worker" {
		return []string{"--state-dir", "none"}
	}
	return []string{"--store", "memory"}
}
