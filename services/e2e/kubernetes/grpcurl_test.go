package kubernetes

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// forwarded runs a command while a local port of the box leads to the coordinator.
const forwarded = `kubectl -n ` + space + ` port-forward service/` + release + `-coordinator 17071:7071 >/dev/null &
forward=$!
trap 'kill $forward' EXIT
for try in $(seq 100); do (exec 3<>/dev/tcp/127.0.0.1/17071) 2>/dev/null && break; sleep 0.1; done
"$@"`

// grpcurl reaches the coordinator from outside of the cluster, by port-forward and with the client certificate of the release, and with
// no other.
func TestGrpcurlThroughPortForward(t *testing.T) {
	needsCluster(t)
	grpcurl, err := exec.LookPath("grpcurl")
	if err != nil && os.Getenv("FANOUT_E2E_REQUIRE") != "" {
		t.Fatal("grpcurl is not installed")
	} else if err != nil {
		t.Skip("grpcurl is not installed")
	}
	b := installed(t)
	dir := t.TempDir()
	for _, name := range []string{"ca.crt", "tls.crt", "tls.key"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(b.secret(t, "client-tls", name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ca := []string{"-cacert", filepath.Join(dir, "ca.crt"), "-servername", release + "-coordinator", "-max-time", "20"}
	client := append(ca, "-cert", filepath.Join(dir, "tls.crt"), "-key", filepath.Join(dir, "tls.key"))
	call := func(flags []string, method string) result {
		args := append([]string{"bash", "-c", forwarded, "forwarded", grpcurl}, flags...)
		return b.try(t, append(args, "127.0.0.1:17071", "fanout.v1.CoordinatorService/"+method)...)
	}
	got := call(client, "ListWorkers")
	if n := strings.Count(got.stdout, ":7070"); got.code != 0 || n < 3 {
		t.Errorf("ListWorkers = exit %d with %d addresses, %q, %q, want the three workers", got.code, n, got.stdout, got.stderr)
	}
	if got := call(ca, "ListWorkers"); got.code == 0 {
		t.Errorf("ListWorkers without a certificate = exit 0, %q, want it refused", got.stdout)
	}
	if got := call([]string{"-plaintext", "-max-time", "20"}, "ListWorkers"); got.code == 0 {
		t.Errorf("ListWorkers in plaintext = exit 0, %q, want it refused", got.stdout)
	}
}

// secret is an entry of a secret of the release.
func (b *box) secret(t *testing.T, name, key string) string {
	t.Helper()
	text := b.kubectl(t, "get", "secret", release+"-"+name, "-o", "jsonpath={.data."+strings.ReplaceAll(key, ".", `\.`)+"}")
	content, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(content) == 0 {
		t.Fatalf("secret %s has no %s: %v", name, key, err)
	}
	return string(content)
}
