package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// module is where the packages of this tree are.
	module = "github.com/fanout-load/fanout/"
	// buildBound is how long a build may take on a machine with an empty cache.
	buildBound = 10 * time.Minute
	// connections is how many connections, senders or users every generator has.
	connections = 64
	// targetCPU has the target, and generatorCPU what is measured. What else a run needs has the one that decides less: where CPU time
	// is held against another generator's, the target has its own for itself, as it has for the other.
	targetCPU, generatorCPU = 0, 1
)

// bench is what all parts share.
type bench struct {
	*options
	log     io.Writer
	dir     string // of this run, for binaries and configurations, and for stores
	ram     string // of this run, in memory, for the workers' state directories; dir where there is no such place
	states  int    // state directories given out
	stores  int    // stores given out
	fanout  string // the binary of this tree
	self    string // this command's binary
	peerDir string // where the peers are that were installed for it
	others  []peer
}

// newBench builds fanout, and finds or installs the peers.
func newBench(ctx context.Context, o *options, log io.Writer) (*bench, error) {
	b := &bench{options: o, log: log}
	var err error
	if b.self, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("finding this command's binary: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("finding a place for the peers: %w", err)
	}
	b.peerDir = filepath.Join(cache, "fanout-bench")
	if b.dir, err = os.MkdirTemp("", "fanout-bench-"); err != nil {
		return nil, err
	}
	if b.ram, err = os.MkdirTemp("/dev/shm", "fanout-bench-"); err != nil {
		b.ram = b.dir
	}
	b.progress("building fanout")
	b.fanout = filepath.Join(b.dir, "fanout")
	if err := b.build(ctx, nil, "build", "-o", b.fanout, module+"services/fanout"); err != nil {
		b.close()
		return nil, err
	}
	b.others = b.findPeers(ctx)
	return b, nil
}

// build runs the go command.
func (b *bench) build(ctx context.Context, env []string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, buildBound)
	defer cancel()
	cmd := command{argv: append([]string{"go"}, args...), cpu: anyCPU, env: env}.build(ctx)
	if out, err := cmd.CombinedOutput(); err != nil {
		said := strings.TrimSpace(string(out))
		return fmt.Errorf("go %s: %w: %s", args[0], err, said[strings.LastIndexByte(said, '\n')+1:])
	}
	return nil
}

// close removes what is in the system's temporary directories.
func (b *bench) close() {
	_ = os.RemoveAll(b.dir)
	_ = os.RemoveAll(b.ram)
}

// progress tells whoever waits what goes on.
func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(b.log, "bench: "+format+"\n", args...)
}

// length is how long a generator runs, if the command line does not say otherwise.
func (b *bench) length(usual int) int {
	if b.seconds > 0 {
		return b.seconds
	}
	return usual
}

// eachRound calls round as often as the command line asks, and at most so often as is of use.
func (l *lab) eachRound(ctx context.Context, most int, round func(context.Context) error) error {
	rounds := min(l.rounds, most)
	for i := range rounds {
		l.progress("round %d of %d", i+1, rounds)
		if err := round(ctx); err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
	}
	return nil
}

// anyRounds is the bound of parts that gain by each round.
const anyRounds = 1000

// installed tells whether a program is on the path.
func installed(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}
