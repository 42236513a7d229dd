package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/internal/cputime"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
)

// caller is this process as a service that needs fifty answers from one host: through a worker process, or by itself. Its owner
// closes it.
type caller struct {
	worker *process
	conn   *grpcdial.Conn
	own    *http.Client
	plan   *plan.Plan
}

// newCaller starts the worker. Neither it nor the caller has a connection to the target yet.
func (l *lab) newCaller(ctx context.Context, at bodyTarget) (*caller, error) {
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM([]byte(at.caPEM))
	c := &caller{
		plan: &plan.Plan{Outcomes: plan.OutcomeOptions{BodyBytes: bodySize}},
		own:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callURLs, TLSClientConfig: config}, Timeout: callBound},
	}
	c.plan.HTTP.TLS.CAPEM = at.caPEM
	for i := range callURLs {
		c.plan.Requests = append(c.plan.Requests, plan.Request{URL: fmt.Sprintf("%s%d", at.url, i), Method: http.MethodGet})
	}
	var err error
	if c.worker, err = l.startWorker(ctx, anyCPU); err != nil {
		return nil, err
	}
	if c.conn, err = grpcdial.New(c.worker.address); err != nil {
		c.worker.abandon()
		return nil, err
	}
	// The connection to the worker is there before the first call: a service has it all the time.
	c.conn.Connect()
	for state := c.conn.GetState(); state.String() != "READY"; state = c.conn.GetState() {
		if !c.conn.WaitForStateChange(ctx, state) {
			c.close()
			return nil, ctx.Err()
		}
	}
	return c, nil
}

func (c *caller) close() {
	_ = c.conn.Close() // no call is left
	c.own.CloseIdleConnections()
	_, _ = c.worker.stop() // how it ended is no figure
}

// throughWorker is one direct call. It returns how many connections the worker opened for it.
func (c *caller) throughWorker(ctx context.Context) (opened int, err error) {
	answers := 0
	_, err = client.NewCall(c.conn).FanOut(ctx, c.plan, func(o *outcome.Outcome) error {
		if o.Error != outcome.NoError || o.Status != http.StatusOK || o.Body == nil || len(o.Body.Bytes) != bodySize {
			return fmt.Errorf("slot %d ended with status %d, %v %s", o.Slot, o.Status, o.Error, o.Message)
		}
		if o.Connection != nil {
			opened++
		}
		answers++
		return nil
	})
	if err == nil && answers != callURLs {
		err = fmt.Errorf("%d answers of %d", answers, callURLs)
	}
	return opened, err
}

// byItself is the same with an http.Client: a goroutine for each URL.
func (c *caller) byItself(ctx context.Context) error {
	results := make(chan error, len(c.plan.Requests)) // so that none has to wait
	for _, r := range c.plan.Requests {
		go func() { results <- c.ask(ctx, r.URL) }() // ends with the request
	}
	var err error
	for range c.plan.Requests {
		err = errors.Join(err, <-results)
	}
	return err
}

func (c *caller) ask(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := c.own.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if response.StatusCode != http.StatusOK || len(body) != bodySize {
		return fmt.Errorf("%s: status %d and %d bytes", url, response.StatusCode, len(body))
	}
	return nil
}

// callCost is what a call took: time, and CPU of the caller and the worker together.
type callCost struct{ wall, cpu time.Duration }

// cost makes a call so many times. Its time is the median's, its CPU the mean.
func (c *caller) cost(times int, call func() error) (callCost, error) {
	before, err := c.cpu()
	if err != nil {
		return callCost{}, err
	}
	walls := make([]time.Duration, times)
	for i := range walls {
		began := time.Now()
		if err := call(); err != nil {
			return callCost{}, err
		}
		walls[i] = time.Since(began)
	}
	after, err := c.cpu()
	if err != nil {
		return callCost{}, err
	}
	return callCost{median(walls), (after - before) / time.Duration(times)}, nil
}

func (c *caller) cpu() (time.Duration, error) {
	worker, err := c.worker.cpu()
	return worker + cputime.Used(), err
}

// bodyTarget is a target for calls, as a process.
type bodyTarget struct {
	*process
	url   string
	caPEM string // "" without TLS
}

// startBodies starts a target that holds each request so long. The caller stops it.
func (l *lab) startBodies(ctx context.Context, secure bool, hold time.Duration) (bodyTarget, error) {
	argv, ca := []string{l.self, "serve-bodies", "-hold", hold.String()}, filepath.Join(l.dir, "ca.pem")
	if secure {
		argv = append(argv, "-ca", ca)
	}
	p, err := l.serve(ctx, pinned(anyCPU, argv...))
	if err != nil {
		return bodyTarget{}, err
	}
	t := bodyTarget{process: p, url: "http://" + p.address + "/"}
	if secure {
		pem, err := os.ReadFile(ca)
		if err != nil {
			p.abandon()
			return bodyTarget{}, fmt.Errorf("reading the target's authority: %w", err)
		}
		t.url, t.caPEM = "https://"+p.address+"/", string(pem)
	}
	return t, nil
}
