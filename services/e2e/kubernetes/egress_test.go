package kubernetes

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A target that the release does not allow is not reached, by whatever name: the run FAILED, POLICY_BLOCKED, and the ledger is empty.
func TestTargetThatIsNotAllowed(t *testing.T) {
	b := installed(t)
	address := b.must(t, "kubectl", "-n", world, "get", "service", "judge", "-o", "jsonpath={.spec.clusterIP}")
	for _, url := range []string{"http://forbidden." + world + ":8080/ok", "http://" + address + ":8080/ok"} {
		r := b.begin(t, "-n", "300", "-c", "6", url)
		found, code := r.end(t, time.Minute)
		if code != exitCodes["FAILED"] || found.errorsOf("POLICY_BLOCKED") < 10 || found.Counts.Responses != 0 {
			t.Errorf("run of %s = exit %d, %s, %+v, errors %+v, want FAILED, and POLICY_BLOCKED", url, code, found.VerdictReason, found.Counts, found.Errors)
		}
		for _, e := range found.Errors {
			if e.Class != "POLICY_BLOCKED" {
				t.Errorf("run of %s has %d errors of class %s: %q", url, e.Count, e.Class, e.Examples)
			}
		}
		if seen := b.ask(t, "state").Total; seen != 0 {
			t.Errorf("the target saw %d requests of a run that was not allowed", seen)
		}
	}
}

// A pod without a certificate of the release is not heard by its workers or its coordinator, whether it speaks plaintext or TLS. The
// console, which has one, is.
func TestCallerWithoutACertificate(t *testing.T) {
	b := installed(t)
	b.stranger(t)
	stranger := []string{"kubectl", "-n", space, "exec", "deployment/stranger", "--", "/fanout"}
	ca := []string{"--tls-ca", "/etc/fanout/ca/ca.crt"}
	const worker = release + "-worker:7070" // the name that their certificates are for
	b.ask(t, "reset")
	for _, args := range [][]string{
		{"call", "--worker", worker, judgeURL + "/ok"},
		{"run", "--coordinator", coordinator, judgeURL + "/ok"},
		{"runs", "list", "--coordinator", coordinator},
		{"stop-all", "--worker", worker},
		{"health", worker},
	} {
		for why, flags := range map[string][]string{"if it speaks TLS": nil, "it takes only callers with a certificate": ca} {
			got := b.try(t, slices.Concat(stranger, args, flags)...)
			if got.code != 1 || !strings.Contains(got.stderr, why) {
				t.Errorf("%s %q = exit %d, %q, %q, want it refused, and %q", args[0], flags, got.code, got.stdout, got.stderr, why)
			}
		}
	}
	if seen := b.ask(t, "state").Total; seen != 0 {
		t.Errorf("the target saw %d requests of a caller without a certificate", seen)
	}
	got := b.try(t, inConsole(slices.Concat([]string{"health"}, asClient, []string{worker})...)...)
	if got.code != 0 || got.stdout != "SERVING\n" {
		t.Errorf("health as the console = exit %d, %q, %q, want SERVING: the others were refused for their certificate", got.code, got.stdout, got.stderr)
	}
}

// stranger makes the pod that has no certificate.
func (b *box) stranger(t *testing.T) {
	t.Helper()
	authority := b.secret(t, "client-tls", "ca.crt")
	b.kubectl(t, "delete", "deployment/stranger", "configmap/authority", "--ignore-not-found")
	b.kubectl(t, "create", "configmap", "authority", "--from-literal=ca.crt="+authority)
	if err := b.apply(theStranger); err != nil {
		t.Fatal(err)
	}
	if err := b.rolledOut(space, "deployment/stranger"); err != nil {
		t.Fatal(err)
	}
}
