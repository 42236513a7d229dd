package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// anyCPU is where a command runs that is bound to no CPU.
const anyCPU = -1

const (
	// startBound is how long a process has to say where it listens, on a machine that is busy with others.
	startBound = 20 * time.Second
	// stopBound is how long a process has to end once its standard input is closed; then it is killed.
	stopBound = 10 * time.Second
	// lastWords is how much of what a process says is quoted when it fails.
	lastWords = 400
)

// command is a program and how it is run.
type command struct {
	argv  []string
	cpu   int      // the one CPU that it may use, or anyCPU
	env   []string // NAME=VALUE, beside our own
	stdin string
}

// pinned is a command that may use one CPU only.
func pinned(cpu int, argv ...string) command { return command{argv: argv, cpu: cpu} }

// on is the command on one CPU.
func (c command) on(cpu int) command {
	c.cpu = cpu
	return c
}

// with is the command with more in its environment.
func (c command) with(env ...string) command {
	c.env = append(slices.Clone(c.env), env...)
	return c
}

// words are the program and its arguments, bound to their CPU.
func (c command) words() []string {
	if c.cpu == anyCPU {
		return c.argv
	}
	return append([]string{"taskset", "-c", strconv.Itoa(c.cpu)}, c.argv...)
}

// String is the command as people would type it.
func (c command) String() string {
	words := append(slices.Clone(c.env), c.words()...)
	for i, w := range words {
		if strings.ContainsAny(w, " \n\"'$&|;<>()*?") {
			words[i] = "'" + w + "'"
		}
	}
	line := strings.Join(words, " ")
	if c.stdin != "" {
		line = "echo '" + strings.TrimSpace(c.stdin) + "' | " + line
	}
	return line
}

// build makes the process, which is killed with all that it started when ctx ends, or when this command dies.
func (c command) build(ctx context.Context) *exec.Cmd {
	words := c.words()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = stopBound
	return cmd
}

// ended is a command that ran to its end.
type ended struct {
	cpu    time.Duration // user and system
	peak   int64         // the greatest resident set, in bytes; 0: the system does not say
	wall   time.Duration
	stdout []byte
}

// execute runs a command to its end, which has to be a success within bound.
func (l *lab) execute(ctx context.Context, c command, bound time.Duration) (ended, error) {
	l.ran(c.String())
	bounded, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	cmd := c.build(bounded)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.stdin), &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("it did not end within %v", bound)
	}
	if err != nil {
		return ended{}, fmt.Errorf("%s: %w%s", c.argv[0], err, quote(append(stdout.Bytes(), stderr.Bytes()...)))
	}
	s := cmd.ProcessState
	return ended{s.UserTime() + s.SystemTime(), peak(s), time.Since(began), stdout.Bytes()}, nil
}

// quote is the last words of a process, to stand behind an error.
func quote(said []byte) string {
	said = bytes.TrimSpace(said)
	if len(said) == 0 {
		return ""
	}
	return ": …" + strings.ToValidUTF8(string(said[max(len(said)-lastWords, 0):]), "")
}

// process is a service that runs beside this command until it is stopped.
type process struct {
	name    string
	address string // where it listens
	pid     int
	stdin   io.Closer
	done    chan struct{} // closed once it has ended and all is read
	kill    context.CancelFunc
	output  bytes.Buffer // after the first line; to be read once done is closed
	said    bytes.Buffer // on standard error; the same
	err     error        // how it ended; the same
}

// serve starts a service, which prints a line that ends with its address once it listens, and ends when its standard input
// closes. The caller stops it.
func (l *lab) serve(ctx context.Context, c command) (*process, error) {
	l.ran(c.String())
	ctx, cancel := context.WithCancel(ctx)
	p := &process{name: c.argv[0], done: make(chan struct{}), kill: cancel}
	address, err := p.start(c.build(ctx))
	if err != nil {
		cancel()
		return nil, fmt.Errorf("starting %s: %w", p.name, err)
	}
	select {
	case p.address = <-address:
		if p.address != "" {
			return p, nil
		}
		<-p.done
		err = errors.New("it did not say where it listens")
	case <-time.After(startBound):
		err = fmt.Errorf("it did not listen within %v", startBound)
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.abandon()
	return nil, fmt.Errorf("%s: %w%s", c, err, quote(p.said.Bytes()))
}

// start starts the process and reads what it says until its end. The channel gets its address, or "".
func (p *process) start(cmd *exec.Cmd) (<-chan string, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = &p.said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.stdin, p.pid = stdin, cmd.Process.Pid
	address := make(chan string, 1) // so that nobody has to wait for it
	go func() {                     // ends with the process, for which stop and abandon wait
		defer close(p.done)
		lines := bufio.NewReader(stdout)
		line, _ := lines.ReadString('\n') // without its end there is no address
		address <- strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:])
		_, _ = p.output.ReadFrom(lines) // it ends when the process does
		p.err = cmd.Wait()
	}()
	return address, nil
}

// stop ends the process and returns what it printed after its first line. Stopping it again does nothing.
func (p *process) stop() ([]byte, error) {
	_ = p.stdin.Close() // it ends by itself then
	select {
	case <-p.done:
	case <-time.After(stopBound):
		p.abandon()
		return nil, fmt.Errorf("%s did not end within %v", p.name, stopBound)
	}
	p.kill()
	if p.err != nil {
		return nil, fmt.Errorf("%s: %w%s", p.name, p.err, quote(p.said.Bytes()))
	}
	return p.output.Bytes(), nil
}

// abandon kills the process, for those who do not ask how it ended.
func (p *process) abandon() {
	p.kill()
	<-p.done
}
