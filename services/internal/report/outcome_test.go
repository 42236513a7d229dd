package report

import (
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// outcomes are one of each kind, with what OutcomeJSON makes of it.
var outcomes = []struct {
	name string
	of   outcome.Outcome
	json string
}{
	{
		"response",
		outcome.Outcome{
			Slot: 3, Status: 200, Lateness: 15 * time.Microsecond, FirstByte: 12 * time.Millisecond, Service: 12_345 * time.Microsecond, ReceivedBytes: 15,
			Body: &outcome.Body{Bytes: []byte("The count is: 1\n")},
		},
		`{"slot":3,"request":0,"status":200,"due":0,"lateness":0.000015,"firstByteTime":0.012,"serviceTime":0.012345,"sentBytes":0,"receivedBytes":15,` +
			`"body":{"text":"The count is: 1\n"}}`,
	},
	{
		"new connection, headers",
		outcome.Outcome{
			Slot: 4, Request: 2, Status: 503, Due: time.Second, Service: 120 * time.Microsecond, SentBytes: 7, ReceivedBytes: 1_234_567, Redirects: 1,
			Connection: &outcome.Connection{Peer: "127.0.0.1:8080", Protocol: "HTTP/1.1", Dial: 50 * time.Microsecond},
			Headers:    []outcome.Header{{Name: "Retry-After", Value: "1"}, {Name: "X-Evil", Value: "\x1b[2J\u202e"}},
		},
		`{"slot":4,"request":2,"status":503,"due":1,"lateness":0,"serviceTime":0.00012,"sentBytes":7,"receivedBytes":1234567,` +
			`"connection":{"peerAddress":"127.0.0.1:8080","protocol":"HTTP/1.1","dns":0,"dial":0.00005,"tls":0},` +
			`"headers":[{"name":"Retry-After","value":"1"},{"name":"X-Evil","value":"\u001b[2J\u202e"}],"redirectCount":1}`,
	},
	{
		"error",
		outcome.Outcome{Slot: 5, Error: outcome.DialRefused, Service: 300 * time.Microsecond, Message: "connect: connection refused"},
		`{"slot":5,"request":0,"status":0,"error":"DIAL_REFUSED","due":0,"lateness":0,"serviceTime":0.0003,"sentBytes":0,"receivedBytes":0,` +
			`"errorMessage":"connect: connection refused"}`,
	},
	{
		"error after a head",
		outcome.Outcome{
			Slot: 6, Status: 200, Error: outcome.BodyTruncated, FirstByte: time.Millisecond, Service: time.Second, ReceivedBytes: 10, Message: "ended at 10 of 20 bytes",
		},
		`{"slot":6,"request":0,"status":200,"error":"BODY_TRUNCATED","due":0,"lateness":0,"firstByteTime":0.001,"serviceTime":1,"sentBytes":0,` +
			`"receivedBytes":10,"errorMessage":"ended at 10 of 20 bytes"}`,
	},
	{
		"not sent",
		outcome.Outcome{Slot: 7, NotSent: outcome.NotSentRunEnded, Due: 1500 * time.Millisecond},
		`{"slot":7,"request":0,"status":0,"notSent":"RUN_ENDED","due":1.5,"sentBytes":0,"receivedBytes":0}`,
	},
	{
		"empty body",
		outcome.Outcome{Slot: 8, Status: 204, Service: time.Millisecond, Body: &outcome.Body{}},
		`{"slot":8,"request":0,"status":204,"due":0,"lateness":0,"serviceTime":0.001,"sentBytes":0,"receivedBytes":0,"body":{"text":""}}`,
	},
	{
		"body of lines that fake ours",
		outcome.Outcome{
			Slot: 9, Status: 200, Service: time.Millisecond, ReceivedBytes: 60,
			Body: &outcome.Body{Bytes: []byte("first\r\nslot 10  200\tfake\n\n\x1b[31mred\rover\n"), Truncated: true},
		},
		`{"slot":9,"request":0,"status":200,"due":0,"lateness":0,"serviceTime":0.001,"sentBytes":0,"receivedBytes":60,` +
			`"body":{"text":"first\r\nslot 10  200\tfake\n\n\u001b[31mred\rover\n","truncated":true}}`,
	},
	{
		"one short line, truncated",
		outcome.Outcome{Slot: 10, Status: 200, Service: time.Millisecond, ReceivedBytes: 99, Body: &outcome.Body{Bytes: []byte("begin"), Truncated: true}},
		`{"slot":10,"request":0,"status":200,"due":0,"lateness":0,"serviceTime":0.001,"sentBytes":0,"receivedBytes":99,"body":{"text":"begin","truncated":true}}`,
	},
	{
		"one long line",
		outcome.Outcome{Slot: 11, Status: 200, Service: time.Millisecond, ReceivedBytes: 130, Body: &outcome.Body{Bytes: []byte(strings.Repeat("0123456789", 13))}},
		`{"slot":11,"request":0,"status":200,"due":0,"lateness":0,"serviceTime":0.001,"sentBytes":0,"receivedBytes":130,"body":{"text":"` +
			strings.Repeat("0123456789", 13) + `"}}`,
	},
	{
		"binary",
		outcome.Outcome{Slot: 12, Status: 200, Service: time.Millisecond, ReceivedBytes: 3, Body: &outcome.Body{Bytes: []byte{0xff, 0xd8, 0xff}}},
		`{"slot":12,"request":0,"status":200,"due":0,"lateness":0,"serviceTime":0.001,"sentBytes":0,"receivedBytes":3,"body":{"data":"/9j/"}}`,
	},
	{
		"one byte of binary, truncated",
		outcome.Outcome{Slot: 13, Status: 200, Service: time.Millisecond, ReceivedBytes: 9, Body: &outcome.Body{Bytes: []byte{0}, Truncated: true}},
		`{"slot":13,"request":0,"status":200,"due":0,"lateness":0,"serviceTime":0.001,"sentBytes":0,"receivedBytes":9,"body":{"text":"\u0000","truncated":true}}`,
	},
}

func TestOutcomeText(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, o := range outcomes {
		if err := OutcomeText(&b, &o.of, ""); err != nil {
			t.Fatal(err)
		}
	}
	// A tab is the one control character that a body may show.
	checkShown(t, strings.ReplaceAll(b.String(), "\t", "    "), 0)
	golden(t, "outcomes", b.String())
}

func TestOutcomeJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range outcomes {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := OutcomeJSON(&b, &tt.of); err != nil {
				t.Fatal(err)
			}
			checkShown(t, b.String(), 0)
			if got := b.String(); got != tt.json+"\n" {
				t.Errorf("OutcomeJSON() writes\n%s, want\n%s", got, tt.json)
			}
		})
	}
}

func TestCallText(t *testing.T) {
	t.Parallel()
	refusals := []tally.ClassCount{{Class: outcome.DialRefused, Count: 2}, {Class: outcome.TimeoutBody, Count: 1}}
	ended := []tally.ReasonCount{{Reason: outcome.NotSentRunEnded, Count: 1_000}}
	for _, tt := range []struct {
		name    string
		s       *tally.Snapshot
		elapsed time.Duration
		want    string
	}{
		{"all", &tally.Snapshot{Counts: tally.Counts{Planned: 10, Responses: 10}}, 190 * time.Millisecond, "10 of 10 responses in 0.19 s"},
		{"one", &tally.Snapshot{Counts: tally.Counts{Planned: 1, Responses: 1}}, 5 * time.Second, "1 of 1 response in 5.00 s"},
		{"nothing, no time", &tally.Snapshot{}, 0, "0 of 0 responses"},
		{
			"errors and not sent",
			&tally.Snapshot{Counts: tally.Counts{Planned: 1_010, Responses: 7, Errors: 3, NotSent: 1_000}, Errors: refusals, NotSent: ended}, time.Minute,
			"7 of 1,010 responses in 1 min 0 s, 3 errors (DIAL_REFUSED 2, TIMEOUT_BODY 1), 1,000 not sent (RUN_ENDED 1,000)",
		},
		{
			"cut off",
			&tally.Snapshot{Counts: tally.Counts{Planned: 10, Responses: 1, Errors: 1, Unknown: 3, Pending: 4, InFlight: 1}}, time.Millisecond,
			"1 of 10 responses in 1.00 ms, 1 error, 3 unknown, 4 pending, 1 in flight",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := CallText(&b, tt.s, tt.elapsed); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != tt.want+"\n" {
				t.Errorf("CallText() writes %q, want %q", got, tt.want)
			}
		})
	}
}
