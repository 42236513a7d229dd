package kubernetes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// certs makes certificates for the trial with the command that the README names, and secrets of them.
func (b *box) certs(t *testing.T) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "certs")
	b.must(t, filepath.Join(b.dir, "built", one, "fanout"), "certs", "init", "--dir", dir,
		"--worker-name", trial+"-fanout-worker", "--coordinator-name", trial+"-fanout-coordinator")
	for _, name := range []string{"worker", "coordinator", "client"} {
		b.kubectl(t, "delete", "secret", "own-"+name, "--ignore-not-found")
		b.kubectl(t, "create", "secret", "generic", "own-"+name, "--type=kubernetes.io/tls", "--from-file=ca.crt="+filepath.Join(dir, "ca.pem"),
			"--from-file=tls.crt="+filepath.Join(dir, name+".pem"), "--from-file=tls.key="+filepath.Join(dir, name+"-key.pem"))
	}
	t.Cleanup(func() { b.kubectl(t, "delete", "secret", "own-worker", "own-coordinator", "own-client") })
}

// A release knows its callers by certificates and tokens that were there before it, and a run of it has them too; without TLS it says
// loudly what that means.
func TestSecretsThatAreThere(t *testing.T) {
	needsCluster(t)
	run := []string{
		"--set", "run.url=" + judgeURL + "/ok", "--set-json", `run.args=["-n","500","-c","5","-o","json","--slot-header"]`, "--wait", "--timeout", "2m",
	}
	passed := func(t *testing.T, b *box) {
		t.Helper()
		exit, log := b.jobEnded(t, trial)
		r := reportIn(t, log)
		r.check(t, exit)
		r.exact(t, 500)
		b.hold(t, r)
	}
	install := func(t *testing.T, b *box, args ...string) string {
		t.Helper()
		b.ask(t, "reset")
		r := b.tryInstall(t, append(args, run...)...)
		if r.code != 0 {
			t.Fatalf("helm install = exit %d:\n%s%s", r.code, r.stdout, r.stderr)
		}
		return r.stdout
	}
	own := []string{"--set", "tls.mode=existing,tls.existing.workerSecret=own-worker,tls.existing.coordinatorSecret=own-coordinator,tls.existing.clientSecret=own-client"}

	t.Run("certificates", func(t *testing.T) {
		b := newBox(t)
		b.certs(t)
		install(t, b, own...)
		passed(t, b)
	})
	t.Run("tokens", func(t *testing.T) {
		b := newBox(t)
		file := filepath.Join(t.TempDir(), "tokens")
		token := b.must(t, filepath.Join(b.dir, "built", one, "fanout"), "tokens", "add", "--file", file, "--name", "ann", "--role", "runner")
		shown := filepath.Join(t.TempDir(), "ann")
		if err := os.WriteFile(shown, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		b.kubectl(t, "create", "secret", "generic", "callers", "--from-file=tokens="+file)
		b.kubectl(t, "create", "secret", "generic", "ann", "--from-file=token="+shown)
		t.Cleanup(func() { b.kubectl(t, "delete", "secret", "callers", "ann") })
		install(t, b, "--set", "tokens.existingSecret=callers,run.tokenSecret.name=ann")
		passed(t, b)
		if log := b.kubectl(t, "logs", trial+"-fanout-coordinator-0"); !strings.Contains(log, `msg="audit: run accepted" subject=ann`) {
			t.Errorf("the coordinator's log does not say that the run is ann's:\n%s", log)
		}
	})
	t.Run("plaintext", func(t *testing.T) {
		b := newBox(t)
		if notes := install(t, b, "--set", "tls.mode=disabled"); !strings.Contains(notes, "INSECURE") {
			t.Errorf("the notes do not say that the release is insecure:\n%s", notes)
		}
		passed(t, b)
	})
}
