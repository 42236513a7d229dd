package wire

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func num(n int) string { return strconv.Itoa(n) }

func repeat(pb *fanoutv1.Plan, n int, change func(i int, r *fanoutv1.Request)) {
	pb.Requests = nil
	for i := range n {
		r := &fanoutv1.Request{Url: "http://target.example/"}
		change(i, r)
		pb.Requests = append(pb.Requests, r)
	}
}

func TestRequestViolations(t *testing.T) {
	t.Parallel()
	unchanged := func(int, *fanoutv1.Request) {}
	for _, tt := range []planCase{
		{"no requests", func(pb *fanoutv1.Plan) { pb.Requests = nil }, "plan.requests", "0 ", "use 1 to 10000"},
		{"as many requests as can be", func(pb *fanoutv1.Plan) { repeat(pb, 10_000, unchanged) }, "", "", ""},
		{"method is no token", func(pb *fanoutv1.Plan) { pb.Requests[0].Method = "GET\r\n" }, "plan.requests[0].method", `"GET\r\n"`, "token"},
		{"method CONNECT", func(pb *fanoutv1.Plan) { pb.Requests[0].Method = "CONNECT" }, "plan.requests[0].method", `"CONNECT"`, "tunnel"},
		{"method connect", func(pb *fanoutv1.Plan) { pb.Requests[0].Method = "connect" }, "plan.requests[0].method", `"connect"`, "tunnel"},

		{"weight below 0", func(pb *fanoutv1.Plan) { pb.Requests[0].Weight = -5 }, "plan.requests[0].weight", "-5", "0 to 10000"},
		{"weight too great", func(pb *fanoutv1.Plan) { pb.Requests[0].Weight = 10_001 }, "plan.requests[0].weight", "10001", "0 to 10000"},
		{"greatest weight", func(pb *fanoutv1.Plan) { pb.Requests[0].Weight = 10_000 }, "", "", ""},
		{"sum of weights, with an absent one", func(pb *fanoutv1.Plan) {
			repeat(pb, 3, func(i int, r *fanoutv1.Request) { r.Weight = int32(5000 * (i % 3)) })
			pb.Requests[1].Weight = 5000
			pb.Requests[2].Weight = 5000
		}, "plan.requests", "10001", "10000"},

		{"timeout 0", func(pb *fanoutv1.Plan) { pb.Requests[0].Timeout = &durationpb.Duration{} }, "plan.requests[0].timeout", "0s", "more than 0"},
		{"timeout below 0", func(pb *fanoutv1.Plan) { pb.Requests[0].Timeout = durationpb.New(-time.Second) }, "plan.requests[0].timeout", "-1s", "more than 0"},
		{"timeout above the cap", func(pb *fanoutv1.Plan) { pb.Requests[0].Timeout = durationpb.New(25 * time.Hour) }, "plan.requests[0].timeout", "25h ", "the worker's cap of 24h (max_duration);"},
		{"timeout at the cap", func(pb *fanoutv1.Plan) { pb.Requests[0].Timeout = durationpb.New(24 * time.Hour) }, "", "", ""},
		{"timeout of mixed signs", func(pb *fanoutv1.Plan) { pb.Requests[0].Timeout = &durationpb.Duration{Seconds: 5, Nanos: -7} }, "plan.requests[0].timeout", "5 s and -7 ns", "same sign"},
		{"timeout beyond any duration", func(pb *fanoutv1.Plan) { pb.Requests[0].Timeout = &durationpb.Duration{Seconds: 1 << 62} }, "plan.requests[0].timeout", "4611686018427387904 s", "not a duration"},
		{"timeout beyond int64", func(pb *fanoutv1.Plan) {
			pb.Requests[0].Timeout = &durationpb.Duration{Seconds: 315_576_000_000}
		}, "plan.requests[0].timeout", "2562047h47m", "the worker's cap of 24h (max_duration);"},

		{"group too long", func(pb *fanoutv1.Plan) { pb.Requests[0].Group = strings.Repeat("g", 65) }, "plan.requests[0].group", "65 bytes", "cap of 64"},
		{"group as long as can be", func(pb *fanoutv1.Plan) { pb.Requests[0].Group = strings.Repeat("g", 64) }, "", "", ""},
		{"method too long to show, and not UTF-8", func(pb *fanoutv1.Plan) { pb.Requests[0].Method = strings.Repeat("\x80", 99) }, "plan.requests[0].method", `\x80"…`, "token"},
		{"group is not UTF-8", func(pb *fanoutv1.Plan) { pb.Requests[0].Group = "\xff" }, "plan.requests[0].group", `"\xff"`, "UTF-8"},
		{"as many groups as can be", func(pb *fanoutv1.Plan) {
			repeat(pb, 200, func(i int, r *fanoutv1.Request) { r.Group = "g" + num(i%64) })
		}, "", "", ""},
		{"too many groups", func(pb *fanoutv1.Plan) {
			repeat(pb, 200, func(i int, r *fanoutv1.Request) { r.Group = "g" + num(i%65) })
		}, "plan.requests", "65 different groups", "cap of 64"},

		{"body too long", func(pb *fanoutv1.Plan) {
			pb.Requests[0].Body = &fanoutv1.Body{Content: &fanoutv1.Body_Data{Data: make([]byte, 1<<20+1)}}
		}, "plan.requests[0].body", "1048577", "the worker's cap of 1048576 (max_body_bytes);"},
		{"body as long as can be", func(pb *fanoutv1.Plan) {
			pb.Requests[0].Body = &fanoutv1.Body{Content: &fanoutv1.Body_Text{Text: strings.Repeat("x", 1<<20)}}
		}, "", "", ""},
		{"truncated body", func(pb *fanoutv1.Plan) { pb.Requests[0].Body = &fanoutv1.Body{Truncated: true} }, "plan.requests[0].body.truncated", "true", "leave it out"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, plan.DefaultCaps())
		})
	}
}

func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	caps := plan.DefaultCaps()
	caps.Requests = 2
	tt := planCase{change: func(pb *fanoutv1.Plan) { repeat(pb, 3, func(int, *fanoutv1.Request) {}) }, field: "plan.requests", value: "3 ", words: "the worker's cap of 2 (max_request_count);"}
	tt.run(t, caps)
}

func TestHeaderViolations(t *testing.T) {
	t.Parallel()
	const name, value = "plan.requests[0].headers[0].name", "plan.requests[0].headers[0].value"
	header := func(lines ...string) func(*fanoutv1.Plan) {
		return func(pb *fanoutv1.Plan) {
			for i := 0; i < len(lines); i += 2 {
				pb.Requests[0].Headers = append(pb.Requests[0].Headers, &fanoutv1.Header{Name: lines[i], Value: lines[i+1]})
			}
		}
	}
	cases := []planCase{
		{"empty name", header("", "v"), name, `""`, "token"},
		{"name with a space", header("X ", "v"), name, `2 bytes that begins with "X"`, "token"},
		{"pseudo-header", header(":authority", "v"), name, `10 bytes that begins with ""`, "token"},
		{"name with a line's end", header("X\r\nY", "v"), name, `4 bytes that begins with "X"`, "token"},
		{"a whole line as name", header("Authorization: Bearer x", ""), name, `23 bytes that begins with "Authorization" is not`, "token"},
		{"nil header", func(pb *fanoutv1.Plan) { pb.Requests[0].Headers = []*fanoutv1.Header{nil} }, name, `""`, "token"},

		{"value with CR", header("X", "a\rb"), value, "the value of 3 bytes", "control character"},
		{"value with LF", header("X", "a\nb"), value, "the value of 3 bytes", "control character"},
		{"value with NUL", header("X", "a\x00b"), value, "the value of 3 bytes", "control character"},
		{"value that is not UTF-8", header("X", "a\xffb"), value, "the value of 3 bytes", "UTF-8"},
		{"value with a secret", header("authorization", "Bearer x\n"), value, "the value of 9 bytes", "control character"},
		{"value with tab, space and umlaut", header("X", "\ta ü "), "", "", ""},
		{"empty value", header("X", ""), "", "", ""},

		{"host with port", header("host", "other.example:8080"), "", "", ""},
		{"host in brackets", header("Host", "[::1]:80"), "", "", ""},
		{"empty host", header("Host", ""), value, `""`, "not a host"},
		{"host with a path", header("Host", "x/y"), value, `"x/y"`, "not a host"},
		{"host with a user", header("Host", "u@x"), value, `"u@x"`, "not a host"},
		{"host with a space", header("Host", "x y"), value, `"x y"`, "not a host"},
		{"host with a bad escape", header("Host", "x%zz"), value, `"x%zz"`, "not a host"},
		{"host with a bad port", header("Host", "x:99999"), value, "99999", "1 to 65535"},
		{"host without a name", header("Host", ":80"), value, `":80"`, "no host"},
		{"host that is no name", header("Host", "a..b"), value, `"a..b"`, "name"},
		{"host with a reference", header("Host", "${env:HOST}"), value, `"${env:HOST}"`, "not a host"},
		{"two hosts", header("Host", "x", "hOsT", "x"), "plan.requests[0].headers[1].name", `"hOsT"`, "twice"},

		{"as much as can be", header("X", strings.Repeat("v", 64<<10-5)), "", "", ""},
		{"too much", header("X", strings.Repeat("v", 64<<10-5), "Y", ""), "plan.requests[0].headers", "65541 bytes", "the worker's cap of 65536 (max_head_bytes);"},
	}
	for _, refused := range []string{
		"Content-Length", "transfer-encoding", "CONNECTION", "Trailer", "Upgrade", "Keep-Alive", "Proxy-Connection", "TE", "te",
		"X-Fanout-Slot", "x-fanout-run",
	} {
		cases = append(cases, planCase{"refused " + refused, header(refused, "1"), name, strconv.Quote(refused), "leave it out"})
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, plan.DefaultCaps())
		})
	}
}
