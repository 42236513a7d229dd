package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// peer is another load generator.
type peer struct {
	name        string
	module      string // for go install, with the version; "" is of the system's packages
	versionFlag string
	// load sends as fast as 64 connections can; paced sends a constant rate over 64. nil: it cannot.
	load  func(l load) []string
	paced func(l load) []string
	// stdin is what it reads; nil is nothing.
	stdin func(l load) string

	path    string
	skipped string // why it is not measured; "" is that it is
}

// load is what a peer is asked to do.
type load struct {
	url     string
	rate    int
	seconds int
	script  string // for k6
}

func (l load) duration() string { return strconv.Itoa(l.seconds) + "s" }

const conns = "64" // connections, as the peers' flags want it

// knownPeers is all peers. The versions are those that were the newest in November 2026; fortio's is the newest of which all that
// it needs can be downloaded.
func knownPeers() []peer {
	return []peer{
		{
			name: "wrk", versionFlag: "-v",
			load: func(l load) []string { return []string{"-t1", "-c" + conns, "-d" + l.duration(), l.url} },
		},
		{
			name: "h2load", versionFlag: "--version",
			load: func(l load) []string {
				return []string{"--h1", "-t1", "-c" + conns, "-D" + strconv.Itoa(l.seconds), l.url}
			},
		},
		{
			name: "bombardier", module: "github.com/codesenberg/bombardier@v1.2.6", versionFlag: "--version",
			load: func(l load) []string { return []string{"-c", conns, "-d", l.duration(), "-p", "r", l.url} },
			paced: func(l load) []string {
				return []string{"-c", conns, "-d", l.duration(), "-r", strconv.Itoa(l.rate), "-p", "r", l.url}
			},
		},
		{
			name: "fortio", module: "fortio.org/fortio@v1.68.0", versionFlag: "version",
			load: func(l load) []string {
				return []string{"load", "-quiet", "-c", conns, "-qps", "0", "-t", l.duration(), l.url}
			},
			paced: func(l load) []string {
				return []string{"load", "-quiet", "-c", conns, "-qps", strconv.Itoa(l.rate), "-t", l.duration(), l.url}
			},
		},
		{
			name: "hey", module: "github.com/rakyll/hey@v0.1.5", versionFlag: "-version",
			load: func(l load) []string { return []string{"-c", conns, "-z", l.duration(), l.url} },
		},
		{
			name: "vegeta", module: "github.com/tsenart/vegeta/v12@v12.13.0", versionFlag: "-version",
			load: func(l load) []string {
				return []string{"attack", "-rate", "0", "-max-workers", conns, "-duration", l.duration(), "-output", os.DevNull}
			},
			paced: func(l load) []string {
				return []string{
					"attack", "-rate", strconv.Itoa(l.rate), "-workers", conns, "-max-workers", conns, "-connections", conns,
					"-duration", l.duration(), "-output", os.DevNull,
				}
			},
			stdin: func(l load) string { return "GET " + l.url + "\n" },
		},
		{
			name: "k6", module: "go.k6.io/k6@v1.8.1", versionFlag: "version",
			load:  func(l load) []string { return k6(l, "0") },
			paced: func(l load) []string { return k6(l, strconv.Itoa(l.rate)) },
		},
	}
}

// k6Script is closed with a rate of 0.
const k6Script = `import http from 'k6/http';
const rate = Number(__ENV.RATE), duration = __ENV.DURATION;
export const options = {
  discardResponseBodies: true,
  scenarios: { load: rate === 0
    ? { executor: 'constant-vus', vus: 64, duration }
    : { executor: 'constant-arrival-rate', rate, timeUnit: '1s', duration, preAllocatedVUs: 64, maxVUs: 64 } },
};
export default function () { http.get(__ENV.URL); }
`

func k6(l load, rate string) []string {
	return []string{"run", "--quiet", "--no-usage-report", "-e", "URL=" + l.url, "-e", "RATE=" + rate, "-e", "DURATION=" + l.duration(), l.script}
}

// findPeers is all peers, those that are not here with the reason. With -peers those that are written in Go are installed, into
// a directory of our own.
func (b *bench) findPeers(ctx context.Context) []peer {
	all := knownPeers()
	for i := range all {
		p := &all[i]
		if p.module != "" && b.peers {
			if err := b.install(ctx, *p); err != nil {
				p.skipped = err.Error()
				continue
			}
		}
		p.find(b.peerDir)
	}
	return all
}

// find looks for the program, first where we install it.
func (p *peer) find(own string) {
	for _, name := range []string{filepath.Join(own, p.name), p.name} {
		if path, err := exec.LookPath(name); err == nil {
			p.path = path
			return
		}
	}
	p.skipped = "not installed"
	if p.module != "" {
		p.skipped += "; -peers installs it"
	}
}

// install installs a peer, unless it is there.
func (b *bench) install(ctx context.Context, p peer) error {
	path, version, _ := strings.Cut(p.module, "@")
	info, err := buildinfo.ReadFile(filepath.Join(b.peerDir, p.name))
	if err == nil && info.Main.Path == path && info.Main.Version == version {
		return nil
	}
	b.progress("installing %s", p.module)
	return b.build(ctx, []string{"GOBIN=" + b.peerDir}, "install", p.module)
}

// peerCommand is a peer's command for a load, paced if it has a rate. The caller has looked whether it can.
func (l *lab) peerCommand(p peer, work load) (command, error) {
	work.script = filepath.Join(l.dir, "k6.js")
	if p.name == "k6" {
		if err := os.WriteFile(work.script, []byte(k6Script), 0o600); err != nil {
			return command{}, fmt.Errorf("writing the script of k6: %w", err)
		}
	}
	arguments := p.load
	if work.rate > 0 {
		arguments = p.paced
	}
	c := command{argv: append([]string{p.path}, arguments(work)...), cpu: anyCPU}
	if p.stdin != nil {
		c.stdin = p.stdin(work)
	}
	return c, nil
}
