package kubernetes

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// foreign is a version that speaks another protocol between coordinator and worker.
const foreign = "2.0.0-foreign"

// A worker of another version takes part, and the coordinator's log names both. One that speaks another protocol is refused with both
// versions, and the run sends nothing.
func TestWorkerOfAnotherVersion(t *testing.T) {
	needsCluster(t)
	t.Run("same protocol", func(t *testing.T) {
		b := newBox(t)
		if r := b.tryInstall(t, "--set", "worker.image.tag="+two, "--wait", "--timeout", "2m"); r.code != 0 {
			t.Fatalf("helm install = exit %d:\n%s%s", r.code, r.stdout, r.stderr)
		}
		b.ask(t, "reset")
		exit, said := b.runOf(t, trial+"-fanout", "-n", "100", "-c", "5", judgeURL+"/ok")
		log := b.kubectl(t, "logs", trial+"-fanout-coordinator-0")
		if seen := b.ask(t, "state").Total; exit != 0 || seen != 100 {
			t.Errorf("a run = exit %d, %s\nand the target saw %d requests, want 0 and 100", exit, said, seen)
		}
		for line := range strings.Lines(log) {
			if strings.Contains(line, "of another version") && strings.Contains(line, one) && strings.Contains(line, two) {
				return
			}
		}
		t.Errorf("the coordinator's log does not say that %s and %s are different versions:\n%s", one, two, log)
	})
	t.Run("another protocol", func(t *testing.T) {
		b := newBox(t)
		here, there := b.foreignImage(t)
		if r := b.tryInstall(t, "--set", "worker.image.tag="+foreign, "--wait", "--timeout", "2m"); r.code != 0 {
			t.Fatalf("helm install = exit %d:\n%s%s", r.code, r.stdout, r.stderr)
		}
		b.ask(t, "reset")
		exit, said := b.runOf(t, trial+"-fanout", "-n", "100", "-c", "5", judgeURL+"/ok")
		if exit != 1 {
			t.Errorf("a run = exit %d, want 1", exit)
		}
		for _, want := range []string{one, foreign, "protocol " + strconv.Itoa(here), "protocol " + strconv.Itoa(there)} {
			if !strings.Contains(said, want) {
				t.Errorf("a run said %s\nwant %q in it", said, want)
			}
		}
		if seen := b.ask(t, "state").Total; seen != 0 {
			t.Errorf("the target saw %d requests", seen)
		}
	})
}

var protocol = regexp.MustCompile(`(?m)^const Protocol = (\d+)$`)

// foreignImage builds fanout of this tree with the next number of the protocol, and returns the numbers of both.
func (b *box) foreignImage(t *testing.T) (here, there int) {
	t.Helper()
	source, err := filepath.Abs("../../internal/wire/protocol.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	found := protocol.FindSubmatchIndex(text)
	if found == nil {
		t.Fatalf("%s has no number of the protocol", source)
	}
	if here, err = strconv.Atoi(string(text[found[2]:found[3]])); err != nil {
		t.Fatal(err)
	}
	there = here + 1
	dir := t.TempDir()
	changed, overlay := filepath.Join(dir, "protocol.go"), filepath.Join(dir, "overlay.json")
	replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{source: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{changed: string(text[:found[2]]) + strconv.Itoa(there) + string(text[found[3]:]), overlay: string(replaced)} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.image(foreign, "-overlay", overlay); err != nil {
		t.Fatal(err)
	}
	return here, there
}
