package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// nginxConfig is that of one process that answers 16 bytes, and counts what it has served. It has no master, so that it ends
// whenever we kill it or die.
const nginxConfig = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 16000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen %s backlog=4096;
    location = /served { stub_status; }
    location / { return 200 "The count is: 1\n"; }
  }
}
`

// nginx is the target of whatever counts CPU.
type nginx struct {
	url  string
	stop func()

	mu    sync.Mutex
	asked int64 // guarded by mu: how often it was asked for its count
}

// startNginx starts nginx on the target's CPU. The caller stops it.
func (l *lab) startNginx(ctx context.Context) (*nginx, error) {
	if !installed("nginx") || !installed("taskset") {
		return nil, errors.New("nginx or taskset is not installed: apt-get install nginx-light util-linux wrk")
	}
	home, err := os.MkdirTemp(l.dir, "nginx-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(home, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, address), 0o600); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := pinned(targetCPU, "nginx", "-p", home, "-c", config, "-e", "stderr").build(ctx)
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("starting nginx: %w", err)
	}
	n := &nginx{url: "http://" + address + "/", stop: func() {
		cancel()
		_ = cmd.Wait() // it was killed
	}}
	if err := n.await(ctx); err != nil {
		n.stop()
		return nil, err
	}
	return n, nil
}

// freeAddress is a loopback address whose port is free just now, for a server that cannot let the system choose.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// await returns once nginx answers.
func (n *nginx) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := n.served(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("nginx did not start within %v: %w", startBound, err)
		}
	}
}

// servedBetween is what nginx served while f ran.
func (n *nginx) servedBetween(ctx context.Context, f func() error) (int64, error) {
	before, err := n.served(ctx)
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := n.served(ctx)
	if err != nil {
		return 0, err
	}
	if after == before {
		return 0, errors.New("nothing reached nginx")
	}
	return after - before, nil
}

// askNginx opens a connection for each question: one that is kept would be one more for nginx to look after.
var askNginx = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}

// served is how many requests nginx has served, without those that asked it so.
func (n *nginx) served(ctx context.Context) (int64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"served", nil)
	if err != nil {
		return 0, err
	}
	response, err := askNginx.Do(request)
	if err != nil {
		return 0, fmt.Errorf("asking nginx for its count: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err != nil {
		return 0, fmt.Errorf("reading nginx's count: %w", err)
	}
	all, err := parseServed(string(text))
	if err == nil {
		n.asked++
	}
	return all - n.asked, err
}

// parseServed is the requests in the text of nginx's stub_status: the third number below "server accepts handled requests".
func parseServed(text string) (int64, error) {
	_, rest, ok := strings.Cut(text, "server accepts handled requests\n")
	numbers := strings.Fields(rest)
	if !ok || len(numbers) < 3 {
		return 0, fmt.Errorf("%q is not nginx's status", text)
	}
	return strconv.ParseInt(numbers[2], 10, 64)
}
