package demo

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// parts is the processes of the demo. Each ends when its standard input closes, so that nothing is left behind when the demo
// is killed.
type parts struct{ target, worker, coordinator *part }

// startBound is how long a process has to say where it listens.
const startBound = 10 * time.Second

func startParts(ctx context.Context, binary string) (*parts, error) {
	p := &parts{}
	for _, start := range []struct {
		part **part
		args func() []string
	}{
		{&p.target, func() []string { return []string{"target"} }},
		{&p.worker, func() []string { return []string{"worker", "--state-dir", "none"} }},
		{&p.coordinator, func() []string { return []string{"coordinator", "--store", "memory", "--workers", p.worker.address} }},
	} {
		started, err := startPart(ctx, binary, start.args()...)
		if err != nil {
			p.stop()
			return nil, err
		}
		*start.part = started
	}
	return p, nil
}

// stop ends the processes, the last one started first.
func (p *parts) stop() {
	for _, each := range []*part{p.coordinator, p.worker, p.target} {
		if each != nil {
			each.stop()
		}
	}
}

// count is the target's own counter.
func (p *parts) count(ctx context.Context) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.target.address+"/count", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("asking the target for its count: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64))
	if err != nil {
		return 0, fmt.Errorf("reading the target's count: %w", err)
	}
	return strconv.ParseInt(strings.TrimSpace(string(body)), 10, 64)
}

// part is one process and what it prints.
type part struct {
	name    string
	address string
	command *exec.Cmd
	stdin   io.Closer
	read    sync.WaitGroup
	last    []string // what lines returned last

	mu      sync.Mutex
	printed []string // guarded by mu
}

func startPart(ctx context.Context, binary string, args ...string) (*part, error) {
	p := &part{name: args[0]}
	p.command = exec.Command(binary, append(args, "--listen", "127.0.0.1:0", "--until-stdin-closes")...)
	stdin, err := p.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", p.name, err)
	}
	address := make(chan string, 1)
	p.read.Go(func() { p.follow(stdout, address) })
	timer := time.NewTimer(startBound)
	defer timer.Stop()
	select {
	case p.address = <-address:
		return p, nil
	case <-timer.C:
		err = fmt.Errorf("the %s did not start within %v", p.name, startBound)
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.stop()
	return nil, err
}

// keepLines is how many lines of a process are kept: the target prints two for each request.
const keepLines = 1000

// follow reads what the process prints; the first line ends with its address.
func (p *part) follow(stdout io.Reader, address chan<- string) {
	lines := bufio.NewScanner(stdout)
	if lines.Scan() {
		text := lines.Text()
		address <- text[strings.LastIndexByte(text, ' ')+1:]
	}
	for lines.Scan() {
		p.mu.Lock()
		if len(p.printed) < keepLines {
			p.printed = append(p.printed, lines.Text())
		}
		p.mu.Unlock()
	}
}

// lines is what the process printed since the last call.
func (p *part) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last, p.printed = p.printed, nil
	return p.last
}

func (p *part) stop() {
	_ = p.stdin.Close() // it ends by itself then
	p.read.Wait()
	_ = p.command.Wait() // how it ended says nothing about the demo
}
