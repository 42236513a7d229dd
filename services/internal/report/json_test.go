package report

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// document writes r and reads it back, with numbers as they stand there.
func document(t *testing.T, r *run.Run) map[string]any {
	t.Helper()
	var b bytes.Buffer
	if err := JSON(&b, r); err != nil {
		t.Fatalf("JSON() = %v", err)
	}
	checkShown(t, b.String(), 0)
	return read(t, b.Bytes())
}

func read(t *testing.T, document []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var d map[string]any
	if err := decoder.Decode(&d); err != nil {
		t.Fatalf("reading %s: %v", document, err)
	}
	if decoder.More() {
		t.Errorf("more than one document: %s", document)
	}
	return d
}

// at is what stands in a document at a path of keys and indices.
func at(t *testing.T, d any, path ...any) any {
	t.Helper()
	for i, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := d.(map[string]any)
			d = object[step]
		case int:
			list, _ := d.([]any)
			if step >= len(list) {
				t.Fatalf("no element %v", path[:i+1])
			}
			d = list[step]
		}
	}
	return d
}

func whole(t *testing.T, d any, path ...any) int64 {
	t.Helper()
	n, ok := at(t, d, path...).(json.Number)
	if !ok {
		t.Fatalf("%v is %#v, want a number", path, at(t, d, path...))
	}
	i, err := n.Int64()
	if err != nil {
		t.Fatalf("%v: %v", path, err)
	}
	return i
}

// Counts add up in the run, in each group and in each worker, and agree with what they are broken down into.
func TestJSONAddsUp(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*run.Run{
		"passed": passed(), "lossy": lossy(), "refused": refused(), "by time": byTime(), "hostile": hostile(), "no tally": {State: run.Starting},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := document(t, r)
			tallies := []any{d}
			for _, g := range at(t, d, "groups").(map[string]any) {
				tallies = append(tallies, g)
			}
			tallies = append(tallies, at(t, d, "workers").([]any)...)
			for _, s := range tallies {
				checkTally(t, s)
			}
			want := tally.Counts{}
			if r.Tally != nil {
				want = r.Tally.Counts
			}
			if got := whole(t, d, "counts", "planned"); got != want.Planned {
				t.Errorf("planned is %d, want %d", got, want.Planned)
			}
		})
	}
}

func checkTally(t *testing.T, s any) {
	t.Helper()
	c := at(t, s, "counts")
	if n := len(c.(map[string]any)); n != 7 {
		t.Errorf("counts have %d keys, want 7: %v", n, c)
	}
	var sum int64
	for _, key := range []string{"pending", "inFlight", "responses", "errors", "notSent", "unknown"} {
		sum += whole(t, c, key)
	}
	if planned := whole(t, c, "planned"); planned != sum {
		t.Errorf("planned is %d, its parts are %d", planned, sum)
	}
	var parts int64
	for status := range at(t, s, "responsesByStatus").(map[string]any) {
		parts += whole(t, s, "responsesByStatus", status)
	}
	if want := whole(t, c, "responses"); parts != want {
		t.Errorf("responsesByStatus adds up to %d, want %d", parts, want)
	}
	for _, key := range []string{"errors", "notSent"} {
		parts = 0
		for i := range at(t, s, key).([]any) {
			parts += whole(t, s, key, i, "count")
		}
		if want := whole(t, c, key); parts != want {
			t.Errorf("%s adds up to %d, want %d", key, parts, want)
		}
	}
}

// No number is a string, no duration is one either, nothing is null, and no enum carries its prefix.
func TestJSONTypes(t *testing.T) {
	t.Parallel()
	for _, r := range []*run.Run{passed(), lossy(), refused(), {}} {
		walk(document(t, r), func(path []string, v any) {
			s, isString := v.(string)
			key := path[len(path)-1]
			switch {
			case v == nil:
				t.Errorf("%v is null", path)
			case !isString || key == "buckets":
			case strings.HasPrefix(s, "STATE_") || strings.HasPrefix(s, "VERDICT_") || strings.HasPrefix(s, "ERROR_CLASS_") || strings.HasPrefix(s, "ON_WORKER"):
				t.Errorf("%v is %q", path, s)
			default:
				if _, err := strconv.ParseFloat(s, 64); err == nil {
					t.Errorf("%v is the string %q", path, s)
				}
				if _, err := time.ParseDuration(s); err == nil {
					t.Errorf("%v is the string %q", path, s)
				}
			}
		})
	}
}

func walk(v any, visit func(path []string, v any), path ...string) {
	if len(path) > 0 {
		visit(path, v)
	}
	switch v := v.(type) {
	case map[string]any:
		for key, element := range v {
			walk(element, visit, append(slices.Clone(path), key)...)
		}
	case []any:
		for i, element := range v {
			walk(element, visit, append(slices.Clone(path), strconv.Itoa(i))...)
		}
	}
}

// Keys stand in the order that the package comment tells.
func TestJSONOrder(t *testing.T) {
	t.Parallel()
	figures := "responsesByStatus errors notSent sentBytes receivedBytes serviceTime responseTime lateness firstByteTime " +
		"foldedCount recordsCount lostCount streamStalledDuration "
	head := "schemaVersion id name creator labels plan state verdict verdictReason limitedBy limitedReason onWorkerLoss " +
		"createTime startTime startSpreadDuration endTime counts "
	r := lossy()
	var full, call bytes.Buffer
	if err := JSON(&full, r); err != nil {
		t.Fatal(err)
	}
	if err := CallJSON(&call, r.Tally, time.Second); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		in   []byte
		want string
	}{
		{"run", full.Bytes(), head + figures + "groups workers"},
		{"worker", raw(t, full.Bytes(), "workers", 2), "address instanceId counts " + figures + "failure"},
		{"worker that finished", raw(t, full.Bytes(), "workers", 1), "address instanceId startOffset counts " + figures + "effort"},
		{"effort", raw(t, full.Bytes(), "workers", 1, "effort"), "cpuShare senderCount heldBackCount cappedCount grantWaitDuration startLatenessDuration"},
		{"group", raw(t, full.Bytes(), "groups", "browse"), "counts " + strings.TrimSpace(figures)},
		{"counts", raw(t, full.Bytes(), "counts"), "planned pending inFlight responses errors notSent unknown"},
		{"latency", raw(t, full.Bytes(), "serviceTime"), "count sum min mean p50 p75 p90 p95 p99 p999 max clampedCount buckets"},
		{"call", call.Bytes(), "counts elapsed " + figures + "groups"},
	} {
		if got := strings.Join(keys(t, tt.in), " "); got != tt.want {
			t.Errorf("keys of a %s are\n%s, want\n%s", tt.name, got, tt.want)
		}
	}
}

// raw is the part of a document at a path, as it stands there.
func raw(t *testing.T, document []byte, path ...any) []byte {
	t.Helper()
	for _, step := range path {
		var err error
		switch step := step.(type) {
		case string:
			var object map[string]json.RawMessage
			err = json.Unmarshal(document, &object)
			document = object[step]
		case int:
			var list []json.RawMessage
			err = json.Unmarshal(document, &list)
			document = list[step]
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return document
}

// keys is the keys of an object in their order.
func keys(t *testing.T, object []byte) []string {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	var all []string
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, key.(string))
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestJSONRun(t *testing.T) {
	t.Parallel()
	r := lossy()
	r.Started = r.Started.In(time.FixedZone("elsewhere", 2*60*60))
	d := document(t, r)
	for _, tt := range []struct {
		path []any
		want any
	}{
		{[]any{"schemaVersion"}, json.Number("1")},
		{[]any{"id"}, "r-01jpk4m3"},
		{[]any{"name"}, "nightly"},
		{[]any{"creator"}, "spiffe://fanout.test/ann"},
		{[]any{"labels"}, map[string]any{"team": "checkout", "env": "staging"}},
		{[]any{"state"}, "ENDED"},
		{[]any{"verdict"}, "INCOMPLETE"},
		{[]any{"verdictReason"}, "Worker 10.0.0.13:7070 was lost: its stream ended before it was finished."},
		{[]any{"createTime"}, "2026-03-14T09:26:53.589793238Z"},
		{[]any{"startTime"}, "2026-03-14T09:26:54.589793238Z"},
		{[]any{"endTime"}, "2026-03-14T09:28:25.589793238Z"},
		{[]any{"responsesByStatus"}, map[string]any{"200": json.Number("6960"), "404": json.Number("40")}},
		{[]any{"errors", 0, "class"}, "CONN_RESET"},
		{[]any{"errors", 0, "examples", 0}, "read tcp 10.0.0.8:443: connection reset by peer"},
		{[]any{"notSent", 0}, map[string]any{"reason": "RUN_ENDED", "count": json.Number("2")}},
		{[]any{"foldedCount"}, json.Number("1")},
		{[]any{"lostCount"}, json.Number("2")},
		{[]any{"streamStalledDuration"}, json.Number("0.34")},
		{[]any{"onWorkerLoss"}, "CONTINUE"},
		{[]any{"startSpreadDuration"}, json.Number("0.0035")},
		{[]any{"workers", 0, "startOffset"}, json.Number("-0.0015")},
		{[]any{"workers", 1, "startOffset"}, json.Number("0.002")},
		{[]any{"workers", 1, "effort", "grantWaitDuration"}, json.Number("0.25")},
		{[]any{"workers", 1, "effort", "startLatenessDuration"}, json.Number("0")},
		{[]any{"workers", 2, "address"}, "10.0.0.13:7070"},
		{[]any{"workers", 2, "instanceId"}, "w-3"},
		{[]any{"workers", 2, "failure", "class"}, "LOST"},
		{[]any{"workers", 1, "failure"}, nil},
		{[]any{"workers", 1, "groups"}, nil},
	} {
		if got := at(t, d, tt.path...); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%v is %#v, want %#v", tt.path, got, tt.want)
		}
	}
}

// What is empty is there, and what was not given is not.
func TestJSONEmpty(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := JSON(&b, &run.Run{ID: "r", State: run.Starting, Tally: snapshot(), Workers: []run.WorkerResult{{Address: "a:1"}}}); err != nil {
		t.Fatal(err)
	}
	d := read(t, b.Bytes())
	for _, key := range []string{"plan", "createTime", "startTime", "endTime", "startSpreadDuration"} {
		if v, there := d[key]; there {
			t.Errorf("%s is %v, want it absent", key, v)
		}
	}
	for _, key := range []string{"startOffset", "failure", "effort"} {
		if v := at(t, d, "workers", 0, key); v != nil {
			t.Errorf("%s of a worker is %v, want it absent", key, v)
		}
	}
	for key, want := range map[string]any{
		"labels": map[string]any{}, "responsesByStatus": map[string]any{}, "groups": map[string]any{}, "errors": []any{}, "notSent": []any{},
		"verdict": "UNSPECIFIED", "verdictReason": "", "name": "", "onWorkerLoss": "UNSPECIFIED", "lostCount": json.Number("0"),
	} {
		if got, there := d[key]; !there || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %#v, want %#v", key, got, want)
		}
	}
	latency := at(t, d, "serviceTime").(map[string]any)
	if len(latency) != 12 || latency["buckets"] != nil {
		t.Errorf("serviceTime is %v, want 12 zeros and no buckets", latency)
	}
	for key, v := range latency {
		if v != json.Number("0") {
			t.Errorf("serviceTime.%s is %v, want 0", key, v)
		}
	}
}

// A histogram comes back from the document as it went in.
func TestJSONBuckets(t *testing.T) {
	t.Parallel()
	r := passed()
	var b bytes.Buffer
	if err := JSON(&b, r); err != nil {
		t.Fatal(err)
	}
	var d struct{ ServiceTime struct{ Buckets []byte } }
	if err := json.Unmarshal(b.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d.ServiceTime.Buckets, r.Tally.Service.Buckets) {
		t.Error("the buckets of serviceTime are not those of the run")
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0", 1: "0.000000001", 190 * time.Millisecond: "0.19", time.Hour: "3600", 1_200_000: "0.0012", -1_500 * time.Millisecond: "-1.5",
		math.MaxInt64: "9223372036.854775807", math.MinInt64: "-9223372036.854775808",
	} {
		got, err := json.Marshal(seconds(d))
		if err != nil || string(got) != want {
			t.Errorf("seconds(%d) = %s, %v, want %s", d, got, err, want)
		}
	}
}

func TestCallJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	s := snapshot(response(200, 90*time.Millisecond, 0), failed(outcome.DialRefused, "connect: connection refused"))
	if err := CallJSON(&b, s, 190*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b.Bytes(), []byte("\n")); n != 1 {
		t.Errorf("%d lines, want 1: %s", n, b.Bytes())
	}
	d := read(t, b.Bytes())
	checkTally(t, d)
	if got := at(t, d, "elapsed"); got != json.Number("0.19") {
		t.Errorf("elapsed is %v, want 0.19", got)
	}
}

func TestPlanJSON(t *testing.T) {
	t.Parallel()
	grace, zero := 5*time.Second, time.Duration(0)
	requests := []plan.Request{{URL: "http://a/", Method: "GET", Weight: 1, Timeout: 30 * time.Second}}
	http := plan.HTTPOptions{Timeout: 30 * time.Second, DialTimeout: 10 * time.Second, TLSTimeout: 10 * time.Second}
	const (
		bare     = `"requests":[{"url":"http://a/","method":"GET","headers":[],"weight":1,"timeout":30}]`
		bareHTTP = `"http":{"timeout":30,"dialTimeout":10,"tlsTimeout":10,"maxRedirects":0,"slotHeader":false}`
		none     = `"outcomes":{"headers":[]}`
	)
	for _, tt := range []struct {
		name string
		plan *plan.Plan
		want string
	}{
		{"once", &plan.Plan{Requests: requests, HTTP: http}, `{` + bare + `,"load":{},` + bareHTTP + `,` + none + `}`},
		{
			"closed loop",
			&plan.Plan{Requests: requests, HTTP: http, Load: plan.Load{Requests: 10, Duration: 1500 * time.Millisecond, Grace: &zero, ClosedLoop: &plan.ClosedLoop{Concurrency: 5}}},
			`{` + bare + `,"load":{"requests":10,"duration":1.5,"graceDuration":0,"closedLoop":{"concurrency":5}},` + bareHTTP + `,` + none + `}`,
		},
		{
			"open loop",
			&plan.Plan{Requests: requests, HTTP: http, Load: plan.Load{Grace: &grace, OpenLoop: &plan.OpenLoop{MaxConcurrency: 7, Stages: []plan.Stage{{Rate: 0.5, Duration: time.Minute}, {Rate: 1e6}}}}},
			`{` + bare + `,"load":{"graceDuration":5,"openLoop":{"stages":[{"ratePerSecond":0.5,"duration":60},{"ratePerSecond":1000000}],"maxConcurrency":7}},` +
				bareHTTP + `,` + none + `}`,
		},
		{
			"stages, random arrivals and patience",
			&plan.Plan{Requests: requests, HTTP: http, Load: plan.Load{OpenLoop: &plan.OpenLoop{
				Stages:  []plan.Stage{{Rate: 10, EndRate: new(float64), Duration: time.Second}, {Duration: time.Minute}},
				Poisson: &plan.Poisson{}, MaxLateness: 1500 * time.Millisecond,
			}}},
			`{` + bare + `,"load":{"openLoop":{"stages":[{"ratePerSecond":10,"endRatePerSecond":0,"duration":1},{"ratePerSecond":0,"duration":60}],` +
				`"poisson":{"seed":0},"maxLateness":1.5}},` + bareHTTP + `,` + none + `}`,
		},
		{
			"everything about requests",
			&plan.Plan{
				Requests: []plan.Request{
					{
						URL: "https://user:pass@b/x?a=1&b=<2>", Method: "POST", Weight: 3, Timeout: time.Second, Group: "g", Body: []byte("täxt\n"),
						Headers: []plan.Header{{Name: "authorization", Value: "Bearer ${env:T}"}, {Name: "Host", Value: "b.test"}},
					},
					{URL: "http://a/", Method: "PUT", Weight: 1, Timeout: time.Second, Body: []byte{0xff, 0}},
				},
				HTTP: plan.HTTPOptions{
					Timeout: 1, DialTimeout: 2, TLSTimeout: 3, FirstByteTimeout: 4, MaxRedirects: 5, SlotHeader: true,
					RequestsPerConnection: 6, Engine: plan.EngineStd, AllowedTargets: []string{"localhost", ".b:443"},
					TLS: plan.TLSOptions{InsecureSkipVerify: true, ServerName: "s", CAPEM: "c", CertPEM: "cert", KeyPEM: "canary"},
				},
				Outcomes: plan.OutcomeOptions{Detail: plan.DetailEvery, BodyBytes: 65_536, Headers: []string{"Date"}, SlowStream: plan.SlowStreamWait},
			},
			`{"requests":[{"url":"https://redacted@b/x?[redacted]","method":"POST","headers":[{"name":"authorization","value":"[redacted]${env:T}"},` +
				`{"name":"Host","value":"b.test"}],"body":{"text":"[redacted]"},"weight":3,"timeout":1,"group":"g"},` +
				`{"url":"http://a/","method":"PUT","headers":[],"body":{"text":"[redacted]"},"weight":1,"timeout":1}],"load":{},` +
				`"http":{"timeout":0.000000001,"dialTimeout":0.000000002,"tlsTimeout":0.000000003,"firstByteTimeout":0.000000004,"maxRedirects":5,` +
				`"tls":{"insecureSkipVerify":true,"serverName":"s","caPem":"c","certPem":"cert"},"slotHeader":true,"requestsPerConnection":6,"engine":"STD","allowedTargets":["localhost",".b:443"]},"outcomes":{"detail":"EVERY","body":{"maxBytes":65536},"headers":["Date"],"slowStream":"WAIT"}}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := write(&b, planOf(tt.plan), ""); err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSpace(b.String()); got != tt.want {
				t.Errorf("plan is\n%s, want\n%s", got, tt.want)
			}
		})
	}
}
