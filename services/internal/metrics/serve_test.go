package metrics_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/fanout-load/fanout/services/internal/metrics"
	"github.com/fanout-load/fanout/services/internal/metrics/metricstest"
)

// panicking is a service whose one method panics.
var panicking = grpc.ServiceDesc{
	ServiceName: "test.Panicking",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Panic", Handler: func(_ any, ctx context.Context, _ func(any) error, around grpc.UnaryServerInterceptor) (any, error) {
		return around(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/test.Panicking/Panic"}, func(context.Context, any) (any, error) { panic("secret") })
	}}},
}

// coded is the name of a series with a code where it has %.
func coded(series, code string) string { return strings.Replace(series, "%", code, 1) }

// request sends bytes on a new connection, and returns what the server says until it has closed it.
func request(t *testing.T, address, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, text) // the server may not wait for all of it
	said, _ := io.ReadAll(conn)
	return string(said)
}

// Nothing is served but GET /metrics, which no client changes with what it sends.
func TestNothingElseIsServed(t *testing.T) {
	t.Parallel()
	e := metrics.New(listen(t), "1.2.3")
	t.Cleanup(e.Serve(grpc.NewServer()))
	const end = " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	for _, tt := range []struct{ name, request, status string }{
		{"metrics", "GET /metrics" + end, "200"},
		{"their head", "HEAD /metrics" + end, "200"},
		{"a post", "POST /metrics" + end, "405"},
		{"the root", "GET /" + end, "404"},
		{"profiles", "GET /debug/pprof/" + end, "404"},
		{"below it", "GET /metrics/x" + end, "404"},
		{"a proxy's request", "GET http://169.254.169.254/latest" + end, "404"},
		{"a tunnel", "CONNECT 169.254.169.254:80" + end, "404"},
		{"a giant head", "GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 1<<20) + end, "431"},
		{"no HTTP", "\x16\x03\x01\x00\x00\r\n\r\n", "400"},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			line, _, _ := strings.Cut(request(t, e.Addr().String(), tt.request), "\r\n")
			if tt.status != "" && !strings.HasPrefix(line, "HTTP/1.1 "+tt.status+" ") || tt.status == "" && strings.Contains(line, " 200 ") {
				t.Errorf("answer = %q, want %s", line, tt.status)
			}
		})
	}
	t.Run("a client that takes anything", func(t *testing.T) {
		t.Parallel()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+e.Addr().String()+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept-Encoding", "zstd, gzip")
		response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if got := response.Header.Get("Content-Encoding"); got != "" {
			t.Errorf("Content-Encoding = %q, want none", got)
		}
	})
}

// Clients that send nothing, or never all of it, and so take all connections, are cut off; who asks meanwhile waits for that, and is answered.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 5 s")
	}
	e := metrics.New(listen(t), "1.2.3")
	defer e.Serve(grpc.NewServer())()
	for i := range 40 {
		conn, err := net.Dial("tcp", e.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 0 {
			_, _ = io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: a\r\nX-Slow: ")
		}
	}
	last, err := net.Dial("tcp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	_ = last.SetDeadline(time.Now().Add(60 * time.Second))
	_, _ = io.WriteString(last, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
	if line, err := bufio.NewReader(last).ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
		t.Errorf("who asks behind forty slow clients hears %q, %v, want 200", line, err)
	}
}

// The end does not wait for clients that keep it busy, and leaves nothing open.
func TestStop(t *testing.T) {
	t.Parallel()
	e := metrics.New(listen(t), "1.2.3")
	stop := e.Serve(grpc.NewServer())
	metricstest.Scrape(t, e.Addr().String())
	for _, text := range []string{"", "GET /metrics HTTP/1.1\r\n", "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"} {
		conn, err := net.Dial("tcp", e.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, text)
	}
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > 5*time.Second { // it has one
		t.Errorf("the end took %v, want a second", took)
	}
	l, err := net.Listen("tcp", e.Addr().String())
	if err != nil {
		t.Fatalf("the listener is still open: %v", err)
	}
	_ = l.Close()
}
