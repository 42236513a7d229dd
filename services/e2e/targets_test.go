package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const nginxConfig = `
worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000;
  server {
    listen 127.0.0.1:%s;
    location = /served { stub_status; }
    location / { return 200 "The count is: 1\n"; }
  }
}`

// nginx starts nginx and returns its URL.
func nginx(t *testing.T) (url string, stop func()) {
	t.Helper()
	path := tool(t, "nginx")
	home, port := t.TempDir(), freePort(t)
	config := filepath.Join(home, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, port), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-p", home, "-c", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	t.Cleanup(stop)
	await(t, "127.0.0.1:"+port)
	return "http://127.0.0.1:" + port + "/", stop
}

// served is how many requests nginx has served, this one not counted.
func served(t *testing.T, url string) int64 {
	t.Helper()
	response, err := http.Get(url + "served")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var accepts, handled, requests int64
	lines := strings.Split(string(body), "\n")
	if _, err := fmt.Sscan(lines[2], &accepts, &handled, &requests); err != nil {
		t.Fatalf("nginx's status: %v\n%s", err, body)
	}
	return requests - 1
}

func TestNginxServesExactlyWhatIsReported(t *testing.T) {
	url, _ := nginx(t)
	before := served(t, url)
	got := fanout(t, "run", "-n", "10000", "-c", "100", "-o", "json", url)
	r := parse(t, got.stdout)
	if got.code != 0 || r.Verdict != "PASSED" || r.Counts.Planned != 10000 || r.Counts.Responses != 10000 {
		t.Errorf("run = exit %d, %s, %+v, want 10,000 responses and PASSED\n%s", got.code, r.Verdict, r.Counts, got.stderr)
	}
	if n := served(t, url) - before - 1; n != 10000 {
		t.Errorf("nginx served %d requests, want 10,000", n)
	}
}

func TestTargetThatStopsHalfWay(t *testing.T) {
	url, stop := nginx(t)
	time.AfterFunc(1500*time.Millisecond, stop)
	got := fanout(t, "run", "-n", "600", "-q", "200", "-o", "json", url)
	r := parse(t, got.stdout)
	if got.code != 0 || r.Counts.Planned != 600 || r.Counts.Responses == 0 || r.errorsOf("DIAL_REFUSED") == 0 {
		t.Errorf("run = exit %d, %s, %+v, %+v, want responses and then DIAL_REFUSED\n%s", got.code, r.Verdict, r.Counts, r.Errors, got.stderr)
	}
}

func TestPythonAsTarget(t *testing.T) {
	python, port := tool(t, "python3"), freePort(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hello.txt"), []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-m", "http.server", "--bind", "127.0.0.1", "--directory", dir, port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	await(t, "127.0.0.1:"+port)
	got := fanout(t, "run", "-n", "500", "-c", "8", "-o", "json", "http://127.0.0.1:"+port+"/hello.txt")
	if r := parse(t, got.stdout); got.code != 0 || r.Counts.Responses != 500 {
		t.Errorf("run = exit %d, %+v, %+v, want 500 responses", got.code, r.Counts, r.Errors)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// await waits until somebody listens at the address.
func await(t *testing.T, address string) {
	t.Helper()
	for range 200 {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("nobody listens at %s", address)
}
