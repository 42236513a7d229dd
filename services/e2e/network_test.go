//go:build unix

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/target"
)

// network is two network namespaces, "near" and "far", with a link between them, and a link of each to this one, where the target is.
// The link between them has addresses of 127.0.0.0/8, since services listen on loopback alone; the namespaces route them.
type network struct {
	near, far  string // namespaces
	host       string // this end's address, at which the target is to listen
	nearEnd    string // address of the link between them
	farEnd     string
	controlFar string // devices in far
	targetFar  string
}

// newNetwork makes a network until the test's end. Where that is not allowed the test is skipped by name.
func newNetwork(t *testing.T) *network {
	t.Helper()
	tool(t, "ip")
	id := 2 + rand.N(250)
	name := fmt.Sprintf("fo%d", id)
	n := &network{
		near: name + "-near", far: name + "-far", host: fmt.Sprintf("10.231.%d.1", id),
		nearEnd: fmt.Sprintf("127.77.%d.1", id), farEnd: fmt.Sprintf("127.77.%d.2", id),
		controlFar: name + "cf", targetFar: name + "tf",
	}
	if out, err := exec.Command("ip", "netns", "add", n.near).CombinedOutput(); err != nil {
		t.Skipf("this process may not make a network: %s", out)
	}
	t.Cleanup(func() {
		for _, namespace := range []string{n.near, n.far} {
			_ = exec.Command("ip", "netns", "delete", namespace).Run()
		}
	})
	script := `set -e
id=$1 name=$2 near=$2-near far=$2-far
ip netns add $far
ip link add ${name}cn type veth peer name ${name}cf
ip link add ${name}hn type veth peer name ${name}tn
ip link add ${name}hf type veth peer name ${name}tf
for side in n f; do
  if [ $side = n ]; then ns=$near; at=1; else ns=$far; at=2; fi
  ip link set ${name}c$side netns $ns
  ip link set ${name}t$side netns $ns
  ip -n $ns link set lo up
  ip -n $ns addr delete 127.0.0.1/8 dev lo
  ip -n $ns addr add 127.0.0.1/32 dev lo
  ip netns exec $ns sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.${name}c$side.route_localnet=1
  ip -n $ns addr add 127.77.$id.$at/24 dev ${name}c$side
  ip -n $ns link set ${name}c$side up
done
ip addr add 10.231.$id.1/30 dev ${name}hn
ip addr add 10.231.$id.5/30 dev ${name}hf
ip link set ${name}hn up
ip link set ${name}hf up
ip -n $near addr add 10.231.$id.2/30 dev ${name}tn
ip -n $near link set ${name}tn up
ip -n $far addr add 10.231.$id.6/30 dev ${name}tf
ip -n $far link set ${name}tf up
ip -n $far route add 10.231.$id.1/32 via 10.231.$id.5`
	if out, err := exec.Command("sh", "-c", script, "sh", strconv.Itoa(id), name).CombinedOutput(); err != nil {
		t.Skipf("this process may not link networks: %v, %s", err, out)
	}
	return n
}

func within(namespace string) []string { return []string{"ip", "netns", "exec", namespace} }

// set sets a device of far up or down.
func (n *network) set(t *testing.T, device, state string) {
	t.Helper()
	if got := execute(t, "ip", "-n", n.far, "link", "set", device, state); got.code != 0 {
		t.Fatalf("ip link set %s %s: %s", device, state, got.stderr)
	}
	// A route through a gateway goes with its link, and does not come back with it.
	if device == n.targetFar && state == "up" {
		gateway := strings.TrimSuffix(n.host, ".1") + ".5"
		if got := execute(t, "ip", "-n", n.far, "route", "replace", n.host+"/32", "via", gateway); got.code != 0 {
			t.Fatalf("ip route replace: %s", got.stderr)
		}
	}
}

// downs is how often a device of far has lost its link, as the system has counted.
func (n *network) downs(t *testing.T, device string) int {
	t.Helper()
	got := execute(t, "ip", "netns", "exec", n.far, "cat", "/sys/class/net/"+device+"/carrier_down_count")
	count, err := strconv.Atoi(strings.TrimSpace(got.stdout))
	if err != nil {
		t.Fatalf("carrier_down_count = %q, %s", got.stdout, got.stderr)
	}
	return count
}

// newFarCluster is a cluster with a worker and the coordinator near, and a worker far; its judge is here.
func (n *network) newFarCluster(t *testing.T) (*cluster, *judge) {
	t.Helper()
	j := newJudge(t, target.OracleConfig{Addr: n.host + ":0"})
	c := &cluster{store: t.TempDir() + "/runs.db", wrap: within(n.near)}
	for k, at := range []struct{ namespace, address string }{{n.near, n.nearEnd}, {n.far, n.farEnd}} {
		w := newProcess(t, at.address+":7070", "worker", "--state-dir", t.TempDir()+"/state-"+strconv.Itoa(k), "--allow-target", n.host)
		w.wrap = within(at.namespace)
		w.start(t)
		c.workers = append(c.workers, w)
	}
	c.coordinator = newProcess(t, "127.0.0.1:7071", "coordinator", "--workers", c.workers[0].address+","+c.workers[1].address, "--store", c.store)
	c.coordinator.wrap = within(n.near)
	c.coordinator.start(t)
	c.measure(t)
	return c, j
}
