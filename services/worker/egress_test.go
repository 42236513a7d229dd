package worker_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/target"
	"github.com/fanout-load/fanout/services/worker"
)

var engines = []fanoutv1.Engine{fanoutv1.Engine_ENGINE_HTTP1, fanoutv1.Engine_ENGINE_STD}

func dialer(t *testing.T, lookup func(context.Context, string) ([]netip.Addr, error), rules ...string) *egress.Dialer {
	t.Helper()
	p, err := egress.ParsePolicy(rules)
	if err != nil {
		t.Fatal(err)
	}
	return &egress.Dialer{Policy: p, Lookup: lookup}
}

// always is a resolver for which every name stands for the address, as the worst one may.
func always(addr string) func(context.Context, string) ([]netip.Addr, error) {
	return func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr(addr)}, nil
	}
}

// loopbackForms is ways to write a URL that leads to 127.0.0.1, or could be taken to lead there; PORT stands for the port.
var loopbackForms = []string{
	"http://127.0.0.1:PORT/", "HTTP://127.0.0.1:PORT/", "http://127.0.0.1.:PORT/", "http://127.1:PORT/", "http://127.0.1:PORT/", "http://127.255.255.254:PORT/",
	"http://2130706433:PORT/", "http://0x7f000001:PORT/", "http://0x7F.1:PORT/", "http://0x7f.0x0.0x0.0x1:PORT/", "http://0177.0.0.1:PORT/", "http://017700000001:PORT/",
	"http://0000000127.0.0.1:PORT/", "http://127.0.0.1.0:PORT/", "http://127.0.0x1:PORT/", "http://0:PORT/", "http://0.0.0.0:PORT/",
	"http://[::1]:PORT/", "http://[0:0:0:0:0:0:0:1]:PORT/", "http://[0000::0001]:PORT/", "http://[::1%25lo]:PORT/", "http://[::ffff:127.0.0.1]:PORT/", "http://[::FFFF:7F00:1]:PORT/",
	"http://[::ffff:127.0.0.1%25lo]:PORT/", "http://[::127.0.0.1]:PORT/", "http://[::ffff:0:127.0.0.1]:PORT/", "http://[64:ff9b::7f00:1]:PORT/", "http://[64:ff9b:1::127.0.0.1]:PORT/",
	"http://[2002:7f00:1::]:PORT/", "http://[fe80::1%25lo]:PORT/", "http://[fe80::5efe:7f00:1]:PORT/", "http://[::]:PORT/", "http://[127.0.0.1]:PORT/", "http://[127.1]:PORT/",
	"http://localhost:PORT/", "http://LOCALHOST:PORT/", "http://localhost.:PORT/", "http://a.localhost:PORT/", "http://localhost.localdomain:PORT/", "http://xn--localhost:PORT/",
	"http://①②⑦.0.0.1:PORT/", "http://１２７.０.０.１:PORT/", "http://127。0。0。1:PORT/", "http://127．0．0．1:PORT/", "http://ⅼocalhost:PORT/", "http://ｌｏｃａｌｈｏｓｔ:PORT/",
	"http://lo\u00adcalhost:PORT/", "http://\u202etsohlacol:PORT/",
	"http://example.internal@127.0.0.1:PORT/", "http://example.internal:80@127.0.0.1:PORT/", "http://example.internal%40@127.0.0.1:PORT/", "http://user:example.internal@127.0.0.1:PORT/",
	"http://127.0.0.1:PORT#@example.internal/", "http://127.0.0.1:PORT?@example.internal/", "http://127.0.0.1:PORT/@example.internal", "http://127.0.0.1:PORT\\@example.internal/",
	"http://example.internal\\@127.0.0.1:PORT/", "http://example.internal@127.0.0.1:PORT@example.internal/", "http://127.0.0.1:PORT;example.internal/", "http://127.0.0.1:PORT,example.internal/",
	"http://127.0.0.1%00.example.internal:PORT/", "http://127.0.0.1%2f.example.internal:PORT/", "http://127.0.0.1%23.example.internal:PORT/", "http://127.0.0.1%20:PORT/", "http://127.0.0.1%25:PORT/",
	"http://%31%32%37.0.0.1:PORT/", "http://127.0.0.1:PORT:80/", "http://127.0.0.1:80:PORT/", "http://127.0.0.1:0PORT/", "http://127.0.0.1:+PORT/", "http://127.0.0.1 :PORT/", "http://127.0.0.1\t:PORT/",
	"http:127.0.0.1:PORT/", "http:/127.0.0.1:PORT/", "http:///127.0.0.1:PORT/", "http:\\\\127.0.0.1:PORT\\", "//127.0.0.1:PORT/", "https://127.0.0.1:PORT/", "ftp://127.0.0.1:PORT/", "file:///etc/passwd",
	"gopher://127.0.0.1:PORT/", "unix:///run/docker.sock", "http+unix://%2Frun%2Fdocker.sock/",
	"http://example.internal:PORT/", "http://EXAMPLE.internal.:PORT/", "http://sub.example.internal:PORT/", "http://other.example:PORT/", "http://127.0.0.1.nip.example:PORT/", "http://①.example.internal:PORT/",
}

// A worker that may send to example.internal alone sends nothing to this machine, however the URL is written and whatever names stand
// for: it refuses the plan, or the guard refuses each slot. The target sees no connection.
func TestNoFormOfAURLGetsPastTheGuard(t *testing.T) {
	t.Parallel()
	for _, rules := range [][]string{
		{"example.internal"},
		{"example.internal", ".example.internal", "10.0.0.0/8", "fd00::/8"}, // every name is looked up
	} {
		o := oracle(t)
		_, client := start(t, worker.Config{Dialer: dialer(t, always("127.0.0.1"), rules...)})
		for _, form := range loopbackForms {
			raw := strings.ReplaceAll(form, "PORT", portOf(o))
			wantNoDial(t, client, planOf(nil, raw), raw)
		}
		if n := o.Connections(); n != 0 {
			t.Errorf("with %v the target saw %d connections, want none", rules, n)
		}
	}
}

func portOf(o *target.Oracle) string {
	_, port, _ := net.SplitHostPort(o.Addr())
	return port
}

// wantNoDial fails unless the plan of one request is refused, or its slot is by the guard, with each engine.
func wantNoDial(t *testing.T, client fanoutv1.WorkerServiceClient, p *fanoutv1.Plan, what string) {
	t.Helper()
	for _, engine := range engines {
		p.Http.Engine = engine
		a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p})
		if status.Code(a.err) == codes.InvalidArgument && violations(a.err) > 0 {
			continue
		}
		got := a.outcomes[0]
		if a.err != nil || got.GetError() != fanoutv1.ErrorClass_ERROR_CLASS_POLICY_BLOCKED || got.GetConnection() != nil || got.GetSentBytes() != 0 {
			t.Errorf("%v of %s = %v (%s), %v, want POLICY_BLOCKED and no connection", engine, what, got.GetError(), got.GetErrorMessage(), a.err)
		}
	}
}

// Metadata addresses are out of reach in every form, even where everything is allowed.
func TestMetadataIsOutOfReachInEveryForm(t *testing.T) {
	t.Parallel()
	_, client := start(t, worker.Config{Dialer: &egress.Dialer{
		Policy: egress.Everything(), Lookup: always("169.254.169.254"),
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			return nil, fmt.Errorf("%s was dialled", address)
		},
	}})
	for _, raw := range []string{
		"http://169.254.169.254/", "http://169.254.169.254:8080/", "http://169.254.169.254./", "http://2852039166/", "http://0xa9fea9fe/", "http://0XA9.0xfe.0xA9.0xfe/",
		"http://0251.0376.0251.0376/", "http://025177524776/", "http://169.254.43518/", "http://169.16689662/", "http://[::ffff:169.254.169.254]/", "http://[::ffff:a9fe:a9fe]/",
		"http://[0:0:0:0:0:FFFF:A9FE:A9FE]/", "http://[::ffff:169.254.169.254%25eth0]/", "http://[::169.254.169.254]/", "http://[64:ff9b::169.254.169.254]/", "http://[64:ff9b:1::a9fe:a9fe]/",
		"http://[64:ff9b:1:a9fe:a9:fe00::]/", "http://[2002:a9fe:a9fe::1]/", "http://[::ffff:0:a9fe:a9fe]/", "http://[fe80::5efe:a9fe:a9fe]/", "http://[2001:0:a9fe:a9fe::1]/",
		"http://[fd00:ec2::254]/", "http://[fd00:ec2:0::0254%25eth0]/", "http://169.254.170.2/", "http://100.100.100.200/", "http://192.0.0.192/", "http://168.63.129.16/",
		"http://allowed@169.254.169.254/", "http://169.254.169.254#@allowed/", "http://169.254.169.254?@allowed/", "http://allowed\\@169.254.169.254/", "http://①⑥⑨.254.169.254/",
		"http://metadata.google.internal/computeMetadata/v1/", "http://instance-data/", "http://169.254.169.254.nip.example/", "https://169.254.169.254/",
		"http://0.0.0.0/", "http://0/", "http://[::]/", "http://255.255.255.255/", "http://224.0.0.1/", "http://[ff02::1]/",
	} {
		wantNoDial(t, client, planOf(nil, raw), raw)
	}
}

// No redirect leads where the policy does not, whatever its Location: each is POLICY_REDIRECT, and the one that it leads to sees nothing.
func TestRedirectsPassTheGuard(t *testing.T) {
	t.Parallel()
	from, to := oracle(t), oracle(t)
	_, client := start(t, worker.Config{Dialer: dialer(t, always("127.0.0.1"), from.Addr(), "example.internal")})
	port := portOf(to)
	for _, location := range []string{
		"http://127.0.0.1:PORT/", "//127.0.0.1:PORT/", "http://[::1]:PORT/", "http://[::ffff:127.0.0.1]:PORT/", "http://2130706433:PORT/", "http://127.1:PORT/", "http://0x7f.1:PORT/",
		"http://localhost:PORT/", "http://example.internal:PORT/", "http://example.internal@127.0.0.1:PORT/", "http://127.0.0.1:PORT#@example.internal", "https://127.0.0.1:PORT/",
		"http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/", "http://[fd00:ec2::254]/", "http://0.0.0.0:PORT/", "ftp://127.0.0.1:PORT/", "http://other.example:PORT/",
	} {
		for _, engine := range engines {
			p := planOf(nil, from.URL()+"/redirect-to?url="+url.QueryEscape(strings.ReplaceAll(location, "PORT", port)))
			p.Http.Engine, p.Http.MaxRedirects = engine, 5
			a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p})
			if got := a.outcomes[0]; a.err != nil || got.GetError() != fanoutv1.ErrorClass_ERROR_CLASS_POLICY_REDIRECT {
				t.Errorf("%v redirected to %s = %v (%s), %v, want POLICY_REDIRECT", engine, location, got.GetError(), got.GetErrorMessage(), a.err)
			}
		}
	}
	if n := to.Connections(); n != 0 {
		t.Errorf("who was redirected to saw %d connections, want none", n)
	}
	p := planOf(nil, from.URL()+"/redirect-to?url="+url.QueryEscape(from.URL()+"/ok"))
	p.Http.MaxRedirects = 5
	if got := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p}).outcomes[0]; got.GetStatus() != 200 {
		t.Errorf("a redirect to where the policy leads = %v (%s), want it followed", got.GetError(), got.GetErrorMessage())
	}
}

// A caller learns which rule refused a target, and whose; its own rules narrow the worker's, and have no violation left out.
func TestAllowedTargetsOfACall(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		worker  []string
		caller  []string
		allowed bool
		says    string
	}{
		{"no rules", nil, nil, true, ""},
		{"both allow it", nil, []string{"127.0.0.0/8"}, true, ""},
		{"the port of a rule", nil, []string{"localhost:PORT"}, true, ""},
		{"another port", nil, []string{"localhost:1"}, false, "not allowed by the caller at port PORT: allowed_targets allows only localhost:1"},
		{"the caller's do not", nil, []string{"10.0.0.0/8"}, false, "127.0.0.1 is not allowed by the caller at port PORT: allowed_targets allows only 10.0.0.0/8"},
		{"the worker's do not", []string{"example.internal"}, []string{"*"}, false, "127.0.0.1 is not allowed by this worker at port PORT: --allow-target allows only example.internal"},
	} {
		for _, engine := range engines {
			t.Run(tt.name+" "+engine.String(), func(t *testing.T) {
				t.Parallel()
				o := oracle(t)
				_, client := start(t, worker.Config{Dialer: dialer(t, nil, tt.worker...)})
				port := portOf(o)
				warm := planOf(nil, o.URL()+"/ok") // its connection is kept for the calls after it, but not for one with rules of its own
				warm.Http.Engine = engine
				fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: warm})
				p := planOf(nil, o.URL()+"/ok")
				p.Http.Engine = engine
				for _, rule := range tt.caller {
					p.Http.AllowedTargets = append(p.Http.AllowedTargets, strings.ReplaceAll(rule, "PORT", port))
				}
				a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p})
				a.check(t, 1)
				got := a.outcomes[0]
				if says := strings.ReplaceAll(tt.says, "PORT", port); (got.GetStatus() == 200) != tt.allowed || !strings.Contains(got.GetErrorMessage(), says) {
					t.Errorf("slot = %v (%s), want it allowed: %v, or %q", got.GetError(), got.GetErrorMessage(), tt.allowed, says)
				}
			})
		}
	}
	_, client := start(t, worker.Config{})
	p := planOf(nil, "http://127.0.0.1/")
	p.Http.AllowedTargets = []string{"127.0.0.1", "127.1", "http://a.example", "10.1.2.3/8"}
	if err := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p}).err; status.Code(err) != codes.InvalidArgument || violations(err) != 3 {
		t.Errorf("rules that are none = %v, want 3 violations", err)
	}
	p.Http.AllowedTargets = make([]string, 65)
	if err := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p}).err; status.Code(err) != codes.InvalidArgument || violations(err) != 1 {
		t.Errorf("65 rules = %v, want the cap named", err)
	}
}

// A Host header or server name of another host than the URL's is a target of its own: where it is not allowed no connection is opened.
func TestNamesBesideTheTarget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, rules, caller string
		host, serverName    string
		allowed             bool
	}{
		{"its own address", "localhost", "", "127.0.0.1:1", "", true},
		{"localhost", "localhost", "", "localhost", "", true},
		{"another name", "localhost", "", "internal.example", "", false},
		{"another name that is allowed", "localhost internal.example", "", "internal.example", "", true},
		{"one that only the worker allows", "localhost internal.example", "localhost", "internal.example", "", false},
		{"one that both allow", "localhost internal.example", "localhost .example", "internal.example", "", true},
		{"metadata", "*", "", "169.254.169.254", "", false},
		{"a server name", "localhost", "", "", "internal.example", false},
		{"a server name that is allowed", "localhost internal.example", "", "", "internal.example", true},
	} {
		for _, engine := range engines {
			t.Run(tt.name+" "+engine.String(), func(t *testing.T) {
				t.Parallel()
				o := oracle(t)
				p := planOf(nil)
				if tt.serverName != "" {
					var authority string
					o, authority = secureOracle(t, target.AcceptServe, tt.serverName)
					p.Http.Tls = &fanoutv1.TlsOptions{CaPem: authority, ServerName: tt.serverName}
				}
				_, client := start(t, worker.Config{Dialer: dialer(t, nil, strings.Fields(tt.rules)...)})
				r := &fanoutv1.Request{Url: o.URL() + "/ok"}
				if tt.host != "" {
					r.Headers = []*fanoutv1.Header{{Name: "host", Value: tt.host}}
				}
				p.Requests, p.Http.Engine, p.Http.AllowedTargets = []*fanoutv1.Request{r}, engine, strings.Fields(tt.caller)
				a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p})
				a.check(t, 1)
				got := a.outcomes[0]
				blocked := got.GetError() == fanoutv1.ErrorClass_ERROR_CLASS_POLICY_BLOCKED && strings.Contains(got.GetErrorMessage(), "named to 127.0.0.1")
				if tt.allowed && got.GetStatus() != 200 || !tt.allowed && (!blocked || o.Connections() != 0) {
					t.Errorf("slot = %v (%s) after %d connections, want it allowed: %v", got.GetError(), got.GetErrorMessage(), o.Connections(), tt.allowed)
				}
			})
		}
	}
}

// GetWorker tells the rules, so that a coordinator and its callers know what a worker is for.
func TestGetWorkerTellsItsRules(t *testing.T) {
	t.Parallel()
	for want, rules := range map[string][]string{"localhost": nil, ".example.internal:443,10.0.0.0/8": {"*.Example.internal:443", "10.0.0.0/8"}} {
		_, client := start(t, worker.Config{Dialer: dialer(t, nil, rules...)})
		got, err := client.GetWorker(t.Context(), &fanoutv1.GetWorkerRequest{})
		if err != nil || strings.Join(got.GetAllowedTargets(), ",") != want {
			t.Errorf("GetWorker() = %v, %v, want the rules %s", got.GetAllowedTargets(), err, want)
		}
	}
}

// serve serves a worker on a port, until the test's end.
func serve(t *testing.T, config worker.Config) (client fanoutv1.WorkerServiceClient, address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- worker.Serve(ctx, l, config) }()
	conn, err := grpcdial.New(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve() = %v", err)
		}
	})
	return fanoutv1.NewWorkerServiceClient(conn), l.Addr().String()
}
