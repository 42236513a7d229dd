package wire

import (
	"bytes"
	"math"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/fanout-load/fanout/services/internal/outcome"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func TestOutcomeBodies(t *testing.T) {
	t.Parallel()
	text := func(s string) *fanoutv1.Body { return &fanoutv1.Body{Content: &fanoutv1.Body_Text{Text: s}} }
	data := func(s string) *fanoutv1.Body { return &fanoutv1.Body{Content: &fanoutv1.Body_Data{Data: []byte(s)}} }
	for _, tt := range []struct {
		name      string
		body      string
		truncated bool
		want      *fanoutv1.Body
	}{
		{"empty", "", false, text("")},
		{"text", "grün\n\x00", false, text("grün\n\x00")},
		{"not UTF-8", "a\xff", false, data("a\xff")},
		{"whole, with half a rune at its end", "gr\xc3", false, data("gr\xc3")},
		{"cut at a rune's edge", "grü", true, text("grü")},
		{"cut within a rune of two bytes", "gr\xc3", true, text("gr")},
		{"cut after one byte of four", "a\xf0", true, text("a")},
		{"cut after three bytes of four", "a\xf0\x9f\x98", true, text("a")},
		{"cut within its only rune", "\xe2\x82", true, text("")},
		{"cut, and not UTF-8 before", "a\xffb\xc3", true, data("a\xffb\xc3")},
		{"cut, and not the beginning of a rune at its end", "a\x82", true, data("a\x82")},
		{"cut, and no rune begins with these", "a\xf5\x80", true, data("a\xf5\x80")},
		{"cut, all continuation bytes", "\x80\x80\x80\x80\x80", true, data("\x80\x80\x80\x80\x80")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.want.Truncated = tt.truncated
			got := OutcomeProto(&outcome.Outcome{Body: &outcome.Body{Bytes: []byte(tt.body), Truncated: tt.truncated}})
			if !proto.Equal(got.GetBody(), tt.want) {
				t.Errorf("body %q became %v, want %v", tt.body, got.GetBody(), tt.want)
			}
			back := Outcome(roundTrip(t, got))
			if back.Body == nil || back.Body.Truncated != tt.truncated || !bytes.HasPrefix([]byte(tt.body), back.Body.Bytes) ||
				len(tt.body)-len(back.Body.Bytes) >= utf8.UTFMax {
				t.Errorf("body %q came back as %v", tt.body, back.Body)
			}
		})
	}
	if got := OutcomeProto(&outcome.Outcome{}).GetBody(); got != nil {
		t.Errorf("a body that was not asked for became %v", got)
	}
}

// Strings of a target get replacement characters, and nothing else is lost.
func TestOutcomeStrings(t *testing.T) {
	t.Parallel()
	got := OutcomeProto(&outcome.Outcome{
		Message:    "a\xffb",
		Headers:    []outcome.Header{{Name: "X\xc3", Value: "latin-1: \xfc"}, {Name: "Y", Value: "ü"}},
		Connection: &outcome.Connection{Peer: "\xfe", Protocol: "\xfe"},
	})
	want := &fanoutv1.Outcome{
		ErrorMessage: "a\uFFFDb",
		Headers:      []*fanoutv1.Header{{Name: "X\uFFFD", Value: "latin-1: \uFFFD"}, {Name: "Y", Value: "ü"}},
		Connection:   &fanoutv1.Connection{PeerAddress: "\uFFFD", Protocol: "\uFFFD"},
	}
	if !proto.Equal(roundTrip(t, got), want) {
		t.Errorf("OutcomeProto = %v, want %v", got, want)
	}
}

// Numbers that no worker of ours sends do no harm where they are added up.
func TestHostileOutcomes(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{math.MinInt64, -1, math.MaxInt64} {
		o := Outcome(&fanoutv1.Outcome{
			DueNanos: n, LatenessNanos: n, FirstByteNanos: n, ServiceNanos: n, Status: int32(n >> 32),
			Connection: &fanoutv1.Connection{DnsNanos: n, DialNanos: n, TlsNanos: n},
		})
		for _, d := range []time.Duration{o.Due, o.Lateness, o.FirstByte, o.Service, o.Connection.DNS, o.Connection.Dial, o.Connection.TLS, o.Response()} {
			if d < 0 {
				t.Errorf("a time of %d ns became %v", n, d)
			}
		}
		if o.Second() < 0 || o.Status != 0 {
			t.Errorf("outcome of %d: second %d, status %d", n, o.Second(), o.Status)
		}
	}
	if diff := cmp.Diff(outcome.Outcome{}, Outcome(nil)); diff != "" {
		t.Errorf("Outcome(nil), -want +got:\n%s", diff)
	}
	got := Outcome(&fanoutv1.Outcome{Headers: []*fanoutv1.Header{nil}, Body: &fanoutv1.Body{}})
	if diff := cmp.Diff(outcome.Outcome{Headers: []outcome.Header{{}}, Body: &outcome.Body{}}, got); diff != "" {
		t.Errorf("Outcome of empty parts, -want +got:\n%s", diff)
	}
}

// roundTrip is pb as it arrives at the other end.
func roundTrip[M proto.Message](t interface {
	Helper()
	Fatalf(string, ...any)
}, pb M,
) M {
	t.Helper()
	b, err := proto.Marshal(pb)
	if err != nil {
		t.Fatalf("marshalling %T: %v", pb, err)
	}
	back := pb.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(b, back); err != nil {
		t.Fatalf("unmarshalling %T: %v", pb, err)
	}
	return back.(M)
}

// One row of a fast stream: no body, no headers, a connection that is reused.
func BenchmarkOutcome(b *testing.B) {
	o := outcome.Outcome{Slot: 123_456, Request: 3, Status: 200, Due: 5e9, Lateness: 4e3, FirstByte: 7e5, Service: 8e5, ReceivedBytes: 612}
	b.Run("Proto", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			OutcomeProto(&o)
		}
	})
	pb := OutcomeProto(&o)
	b.Run("Plain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = Outcome(pb)
		}
	})
}
