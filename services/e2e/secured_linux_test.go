package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// island is a namespace with an address of its own in a network with the others, and with names for them.
type island struct{ name, address string }

// newIslands makes namespaces that reach each other, and that know the first ones as workers and the last one as coordinator, until the
// test's end. Where that is not allowed the test is skipped by name.
func newIslands(t *testing.T, workers int) []island {
	t.Helper()
	tool(t, "ip")
	id := 2 + rand.N(250)
	bridge := fmt.Sprintf("fs%d", id)
	hosts := "127.0.0.1 localhost\n"
	var all []island
	for k := range workers + 1 {
		at := island{fmt.Sprintf("%s-%d", bridge, k), fmt.Sprintf("10.232.%d.%d", id, 10+k)}
		name := "workers"
		if k == workers {
			name = "coordinator"
		}
		hosts += at.address + " " + name + "\n"
		all = append(all, at)
	}
	t.Cleanup(func() {
		for _, at := range all {
			_ = exec.Command("ip", "netns", "delete", at.name).Run()
			_ = os.RemoveAll(filepath.Join("/etc/netns", at.name))
		}
		_ = exec.Command("ip", "link", "delete", bridge).Run()
	})
	if out, err := exec.Command("ip", "link", "add", bridge, "up", "type", "bridge").CombinedOutput(); err != nil {
		t.Skipf("this process may not make a network: %s", out)
	}
	for k, at := range all {
		script := `set -e
bridge=$1 ns=$2 address=$3 k=$4
ip netns add $ns
ip link add ${bridge}v$k type veth peer name ${bridge}p$k
ip link set ${bridge}v$k master $bridge up
ip link set ${bridge}p$k netns $ns
ip -n $ns link set lo up
ip -n $ns addr add $address/24 dev ${bridge}p$k
ip -n $ns link set ${bridge}p$k up
mkdir -p /etc/netns/$ns`
		if out, err := exec.Command("sh", "-c", script, "sh", bridge, at.name, at.address, strconv.Itoa(k)).CombinedOutput(); err != nil {
			t.Skipf("this process may not link networks: %v, %s", err, out)
		}
		if err := os.WriteFile(filepath.Join("/etc/netns", at.name, "hosts"), []byte(hosts), 0o644); err != nil {
			t.Skipf("this process may not name networks: %v", err)
		}
	}
	return all
}

// Workers in two networks and a coordinator in a third carry out a run over mTLS, as the quick start says: certificates from certs init,
// workers found by a DNS name, a client that is known, and grpcurl with the same certificates. Who has none is not heard.
func TestSecuredQuickStart(t *testing.T) {
	t.Parallel()
	islands := newIslands(t, 2)
	dir := filepath.Join(t.TempDir(), "certs")
	if got := execute(t, binary, "certs", "init", "--dir", dir); got.code != 0 {
		t.Fatalf("fanout certs init = exit %d, %s", got.code, got.stderr)
	}
	as := func(name string) []string {
		return []string{"--tls-cert", filepath.Join(dir, name+".pem"), "--tls-key", filepath.Join(dir, name+"-key.pem"), "--tls-ca", filepath.Join(dir, "ca.pem")}
	}
	serve := func(at island, listen string, args ...string) {
		p := newProcess(t, listen, args...)
		p.wrap = within(at.name)
		p.start(t)
	}
	for _, at := range islands[:2] {
		serve(at, "127.0.0.1:8080", "target", "--quiet") // a loopback of its own each
		serve(at, "0.0.0.0:7070", append([]string{"worker", "--state-dir", "none", "--health-listen", "0.0.0.0:7079"}, as("worker")...)...)
	}
	last := islands[2]
	serve(last, "0.0.0.0:7071", append([]string{"coordinator", "--store", "memory", "--workers", "dns:///workers:7070"}, as("coordinator")...)...)

	inside := func(program string, args ...string) result {
		wrap := append(within(last.name), program)
		return execute(t, wrap[0], append(wrap[1:], args...)...)
	}
	got := inside(binary, append([]string{"run", "--coordinator", "coordinator:7071", "-n", "40", "-c", "4", "-o", "json", "http://127.0.0.1:8080/count"}, as("client")...)...)
	var r struct {
		Verdict string
		Workers []struct {
			Address string
			Counts  struct{ Responses int }
		}
	}
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || got.code != 0 || r.Verdict != "PASSED" {
		t.Fatalf("fanout run = exit %d, %v, %s%s, want 0, PASSED", got.code, err, got.stdout, got.stderr)
	}
	for k, w := range r.Workers {
		if len(r.Workers) != 2 || w.Counts.Responses != 20 || w.Address != islands[k].address+":7070" {
			t.Errorf("worker %d of %d is %+v, want 20 responses of each address", k, len(r.Workers), w)
		}
	}
	if got := inside(binary, "health", islands[0].address+":7079"); got.code != 0 || got.stdout != "SERVING\n" {
		t.Errorf("fanout health of a worker's health listener = exit %d, %q, %q, want 0 and SERVING", got.code, got.stdout, got.stderr)
	}
	if got := inside(binary, append([]string{"health", islands[0].address + ":7070"}, as("client")...)...); got.code != 1 || !strings.Contains(got.stderr, "not for this name") {
		t.Errorf("fanout health of a worker by its address = exit %d, %q, want 1: its certificate is for workers", got.code, got.stderr)
	}

	grpcurl := tool(t, "grpcurl")
	for name, flags := range map[string][]string{
		"client": {"-cacert", filepath.Join(dir, "ca.pem"), "-cert", filepath.Join(dir, "client.pem"), "-key", filepath.Join(dir, "client-key.pem")},
		"nobody": {"-cacert", filepath.Join(dir, "ca.pem")}, "plaintext": {"-plaintext"},
	} {
		for address, method := range map[string]string{"coordinator:7071": "fanout.v1.CoordinatorService/ListRuns", "workers:7070": "fanout.v1.WorkerService/GetWorker"} {
			got := inside(grpcurl, append(append([]string{"-max-time", "20"}, flags...), address, method)...)
			if want := name == "client"; (got.code == 0) != want {
				t.Errorf("grpcurl %s as %s = exit %d, %q, %q, want 0: %v", address, name, got.code, got.stdout, got.stderr, want)
			}
		}
	}
}
