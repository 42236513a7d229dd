package kubernetes

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const (
	// upMost is how long a cluster may take to come up: with nothing built it is ten minutes on two cores that are free.
	upMost = 30 * time.Minute
	// lifetime ends a cluster whose tests were killed, in seconds: more than the tests may take.
	lifetime = "3900"
)

// box is a cluster of one node, in a temporary copy of the folder that starts it.
type box struct {
	dir    string
	source string // the folder
}

// only is the one cluster of the package. Its zero value is one that was not asked for.
var only cluster

type cluster struct {
	once sync.Once
	mu   sync.Mutex // guards what follows: the guard may end the cluster while it comes up
	box  *box
	err  error
	over bool
}

// newBox is the package's cluster, with the images of this tree and a judge. Where there can be none the test is skipped by name. A
// test that fails shows what was in the cluster.
func newBox(t *testing.T) *box {
	t.Helper()
	needsCluster(t)
	only.once.Do(only.start)
	if only.err != nil {
		t.Fatalf("there is no cluster: %v", only.err)
	}
	b := only.box
	t.Cleanup(func() {
		if t.Failed() {
			b.dump(t)
		}
	})
	return b
}

// needsCluster skips a test by name where there can be no cluster.
func needsCluster(t *testing.T) {
	t.Helper()
	if reason := missing(); reason != "" {
		t.Skip(reason)
	}
}

// missing is what there is not, of all that a cluster takes; "" if there is everything.
func missing() string {
	if os.Getenv("FANOUT_KUBERNETES") == "" {
		return "starts a cluster and takes twenty minutes; FANOUT_KUBERNETES=1 runs it"
	}
	if os.Geteuid() != 0 {
		return "a cluster takes root"
	}
	if _, err := os.Stat("/sys/fs/cgroup/memory"); err != nil {
		return "a cluster takes cgroup v1: " + err.Error()
	}
	if _, err := os.Stat(filepath.Join(scripts(), "up.sh")); err != nil {
		return "no folder that starts a cluster; name it with FANOUT_K8S: " + err.Error()
	}
	return ""
}

// scripts is the folder that starts a cluster.
func scripts() string {
	if dir := os.Getenv("FANOUT_K8S"); dir != "" {
		return dir
	}
	return filepath.Join(root, "..", "shared", "k8s")
}

func (c *cluster) start() {
	begun := time.Now()
	b := &box{}
	c.mu.Lock()
	c.box = b
	b.dir, c.err = os.MkdirTemp("", "fanout-kubernetes-")
	c.mu.Unlock()
	if c.err == nil {
		b.source, c.err = filepath.EvalSymlinks(scripts()) // the folder itself is walked
	}
	for _, step := range []func() error{b.copy, b.up, b.images, b.furnish} {
		if c.err == nil {
			c.err = step()
		}
	}
	fmt.Printf("the cluster took %v\n", time.Since(begun).Round(time.Second))
}

// end ends the cluster, if it was started, and keeps its logs if something failed.
func (c *cluster) end(failed bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.box
	if b == nil || c.over {
		return nil
	}
	c.over = true
	_, err := mustRun(b.script(context.Background(), "down.sh", "KEEP_LOGS=1"))
	if failed || os.Getenv("KEEP_LOGS") != "" {
		kept := b.dir + "-logs"
		if os.Rename(filepath.Join(b.dir, "last-log"), kept) == nil {
			fmt.Println("the cluster's logs are in", kept)
		}
	}
	if removed := os.RemoveAll(b.dir); err == nil {
		err = removed
	}
	return err
}

// copy copies the folder but for what was built or run in it, and gives the copy the programs that earlier tests have built of the
// same sources with the same Go.
func (b *box) copy() error {
	built, err := builtFor(filepath.Join(b.source, "src"))
	if err != nil {
		return err
	}
	err = filepath.WalkDir(b.source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(b.source, path)
		if err != nil {
			return err
		}
		switch own := name == "bin" || name == "run" || name == "last-log"; {
		case own && entry.IsDir():
			return fs.SkipDir
		case own:
			return nil
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(b.dir, name), 0o755)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(b.dir, name), content, info.Mode().Perm())
	})
	if err != nil {
		return fmt.Errorf("copying %s: %w", b.source, err)
	}
	return os.Symlink(built, filepath.Join(b.dir, "bin"))
}

// up starts the cluster. What is built already is found so by go build.
func (b *box) up() error {
	ctx, cancel := context.WithTimeout(context.Background(), upMost)
	defer cancel()
	_, err := mustRun(b.script(ctx, "up.sh", "TTL="+lifetime))
	return err
}

// script is a script of the folder, with something more in its environment.
func (b *box) script(ctx context.Context, name, variable string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, name), args...)
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), variable)
	return cmd
}

// in is a command within the box, where the cluster's addresses are and kubectl and helm know the cluster.
func (b *box) in(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, "in"), args...)
	cmd.Dir = b.dir
	return cmd
}
