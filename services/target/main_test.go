package target_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fanout-load/fanout/services/target"
)

// patience bounds every wait of a test for something that happens at once unless it is broken.
const patience = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startOracle starts an oracle that is closed with the test.
func startOracle(t testing.TB, config target.OracleConfig) *target.Oracle {
	t.Helper()
	o, err := target.StartOracle(config)
	if err != nil {
		t.Fatalf("StartOracle: %v", err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return o
}

// peer is a client that sees every byte.
type peer struct {
	*net.TCPConn
	in *bufio.Reader
}

// dialPeer connects to the oracle. All its waiting is bounded, and it is closed with the test.
func dialPeer(t testing.TB, o *target.Oracle) peer {
	t.Helper()
	stream, err := net.DialTimeout("tcp", o.Addr(), patience)
	if err != nil {
		t.Fatalf("dialling the oracle: %v", err)
	}
	t.Cleanup(func() { _ = stream.Close() }) // mostly closed before
	if err := stream.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return peer{stream.(*net.TCPConn), bufio.NewReader(stream)}
}

// get writes a request, with more header lines if there are any.
func (p peer) get(t testing.TB, path string, lines ...string) {
	t.Helper()
	request := "GET " + path + " HTTP/1.1\r\nHost: oracle\r\n"
	for _, line := range lines {
		request += line + "\r\n"
	}
	if _, err := io.WriteString(p, request+"\r\n"); err != nil {
		t.Fatalf("writing a request for %s: %v", path, err)
	}
}

// response reads a response and its body.
func (p peer) response(t testing.TB) (*http.Response, string) {
	t.Helper()
	response, err := http.ReadResponse(p.in, nil)
	if err != nil {
		t.Fatalf("reading a response: %v", err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("reading a body: %v", err)
	}
	return response, string(body)
}

// rest reads until the connection ends, and says how that was.
func (p peer) rest(t testing.TB) (data string, end string) {
	t.Helper()
	all, err := io.ReadAll(p.in)
	switch {
	case err == nil:
		return string(all), "FIN"
	case errors.Is(err, syscall.ECONNRESET):
		return string(all), "RST"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return string(all), "silence"
	default:
		return string(all), err.Error()
	}
}

// client returns a client of its own that follows no redirects.
func client(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch gets a URL and returns the response with its body read.
func fetch(t testing.TB, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	response, err := c.Get(url)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("GET %s: reading the body: %v", url, err)
	}
	return response, string(body)
}

// slotted makes a request that carries a run and a slot.
func slotted(t testing.TB, url, run string, slot int) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Fanout-Run", run)
	request.Header.Set("X-Fanout-Slot", fmt.Sprint(slot))
	return request
}

// eventually waits for what another goroutine is about to make true.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(time.Millisecond)
	}
}
