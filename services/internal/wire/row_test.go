package wire

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// The numbers that are used by hand are those of the messages, and no field of an outcome is forgotten.
func TestRowNumbers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		message proto.Message
		want    map[protoreflect.Name]protoreflect.FieldNumber
		all     bool
	}{
		{&fanoutv1.FanOutResponse{}, map[protoreflect.Name]protoreflect.FieldNumber{"sequence": responseSequence, "outcomes": responseOutcomes}, false},
		{&fanoutv1.OutcomeBatch{}, map[protoreflect.Name]protoreflect.FieldNumber{"outcomes": batchOutcomes}, true},
		{&fanoutv1.Outcome{}, map[protoreflect.Name]protoreflect.FieldNumber{
			"slot": rowSlot, "request": rowRequest, "status": rowStatus, "error": rowError, "not_sent": rowNotSent, "due_nanos": rowDue,
			"lateness_nanos": rowLateness, "first_byte_nanos": rowFirstByte, "service_nanos": rowService, "sent_bytes": rowSentBytes,
			"received_bytes": rowReceivedBytes, "connection": rowConnection, "error_message": rowMessage, "headers": rowHeaders,
			"body": rowBody, "redirect_count": rowRedirects,
		}, true},
		{&fanoutv1.Body{}, map[protoreflect.Name]protoreflect.FieldNumber{"text": bodyText, "data": bodyData, "truncated": bodyTruncated}, true},
	} {
		fields := tt.message.ProtoReflect().Descriptor().Fields()
		for name, number := range tt.want {
			if f := fields.ByName(name); f == nil || f.Number() != number {
				t.Errorf("%s.%s = %v, want number %d", fields.Get(0).Parent().Name(), name, f, number)
			}
		}
		if tt.all && fields.Len() != len(tt.want) {
			t.Errorf("%s has %d fields, want the %d that are written by hand", fields.Get(0).Parent().Name(), fields.Len(), len(tt.want))
		}
	}
}

// A row has the bytes that the generated code gives it, whatever the target sent.
func TestAppendOutcomeIsByteEqual(t *testing.T) {
	t.Parallel()
	anything := rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 200), func(b []byte) string { return string(b) })
	rapid.Check(t, func(t *rapid.T) {
		o := drawOutcome(t, anything)
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(OutcomeProto(o))
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendOutcome(nil, o); !bytes.Equal(got, want) {
			t.Fatalf("AppendOutcome(%+v) = %x, want %x", o, got, want)
		}
	})
}

// A message made of rows is the generated one, and comes back row by row.
func TestRowsRoundTrip(t *testing.T) {
	t.Parallel()
	anything := rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 200), func(b []byte) string { return string(b) })
	rapid.Check(t, func(t *rapid.T) {
		var (
			rows  Rows
			batch fanoutv1.OutcomeBatch
			want  []outcome.Outcome
		)
		sequence := rapid.Int64Range(1, 1<<40).Draw(t, "sequence")
		for range rapid.IntRange(1, 5).Draw(t, "rows") {
			o := drawOutcome(t, anything)
			rows.Append(o)
			pb := OutcomeProto(o)
			batch.Outcomes = append(batch.Outcomes, pb)
			want = append(want, Outcome(pb))
		}
		if rows.Len() != len(want) {
			t.Fatalf("Len() = %d, want %d", rows.Len(), len(want))
		}
		encoded, err := proto.Marshal(rows.Response(sequence))
		if err != nil {
			t.Fatal(err)
		}
		whole, err := proto.Marshal(&fanoutv1.FanOutResponse{Sequence: sequence, Event: &fanoutv1.FanOutResponse_Outcomes{Outcomes: &batch}})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encoded, whole) {
			t.Fatalf("the message = %x, want %x", encoded, whole)
		}
		got, read, event, err := ReadResponse(encoded, nil)
		if err != nil || event != nil || got != sequence {
			t.Fatalf("ReadResponse = %d, %v, %v, want %d and rows alone", got, event, err, sequence)
		}
		if diff := cmp.Diff(want, read, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("rows, -want +got:\n%s", diff)
		}
		if rows.Len() != 0 || rows.Size() != 0 {
			t.Fatalf("rows = %d, %d bytes after Response, want none", rows.Len(), rows.Size())
		}
	})
}

// Outcomes are rows too where the hand does not read them: without a sequence, and beside a field of a newer worker.
func TestReadResponseThatIsNotPlain(t *testing.T) {
	t.Parallel()
	m := &fanoutv1.FanOutResponse{Event: &fanoutv1.FanOutResponse_Outcomes{Outcomes: &fanoutv1.OutcomeBatch{
		Outcomes: []*fanoutv1.Outcome{{Slot: 7, Status: 200}, {Slot: 8, Status: 404}},
	}}}
	for sequence := range int64(2) {
		m.Sequence = sequence
		encoded, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		encoded = protowire.AppendVarint(protowire.AppendTag(encoded, 1000, protowire.VarintType), 1)
		got, rows, event, err := ReadResponse(encoded, make([]outcome.Outcome, 1))
		if err != nil || got != sequence || event != nil || len(rows) != 3 || rows[1].Slot != 7 || rows[2].Status != 404 {
			t.Errorf("ReadResponse = %d, %+v, %v, %v, want %d and two rows more", got, rows, event, err, sequence)
		}
	}
}

func TestReadResponseOfOtherEvents(t *testing.T) {
	t.Parallel()
	for _, m := range []*fanoutv1.FanOutResponse{
		{},
		{Sequence: 3, Event: &fanoutv1.FanOutResponse_Started{Started: &fanoutv1.FanOutStarted{RunId: "r"}}},
		{Sequence: 4, Event: &fanoutv1.FanOutResponse_Tally{Tally: &fanoutv1.Tally{SentBytes: 7}}},
		{Sequence: 5, Event: &fanoutv1.FanOutResponse_Finished{Finished: &fanoutv1.FanOutFinished{}}},
	} {
		encoded, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		sequence, rows, event, err := ReadResponse(encoded, nil)
		if err != nil || sequence != m.GetSequence() || len(rows) != 0 || !proto.Equal(event, m) {
			t.Errorf("ReadResponse(%v) = %d, %v, %v, %v, want the message", m, sequence, rows, event, err)
		}
	}
	if _, _, _, err := ReadResponse([]byte{0xff}, nil); err == nil {
		t.Error("ReadResponse of nonsense = no error, want one")
	}
}

// Whatever another process sends: reading it fails or gives rows that can be counted, and reads as the generated code does.
func FuzzReadResponse(f *testing.F) {
	var rows Rows
	rows.Append(&outcome.Outcome{Slot: 1, Status: 200, Service: time.Second})
	rows.Append(&outcome.Outcome{Error: outcome.Other, Message: "m", Body: &outcome.Body{Bytes: []byte("x")}, Connection: &outcome.Connection{Peer: "p"}})
	seed(f, rows.Response(3), &fanoutv1.FanOutResponse{Sequence: 1, Event: &fanoutv1.FanOutResponse_Tally{Tally: &fanoutv1.Tally{}}})
	f.Fuzz(func(t *testing.T, encoded []byte) {
		_, read, event, err := ReadResponse(encoded, nil)
		var m fanoutv1.FanOutResponse
		if generated := proto.Unmarshal(encoded, &m); err == nil && event == nil && generated != nil {
			t.Errorf("ReadResponse(%x) = rows, want the error %v", encoded, generated)
		}
		if err != nil || event != nil {
			return
		}
		if want := len(m.GetOutcomes().GetOutcomes()); len(read) != want {
			t.Fatalf("ReadResponse(%x) = %d rows, want %d", encoded, len(read), want)
		}
		for i := range read {
			roundTrip(t, OutcomeProto(&read[i]))
		}
	})
}

func BenchmarkAppendRow(b *testing.B) {
	o := outcome.Outcome{Slot: 123456, Status: 200, Due: 3 * time.Second, Lateness: 20 * time.Microsecond, FirstByte: 150 * time.Microsecond, Service: 160 * time.Microsecond, ReceivedBytes: 16}
	var rows Rows
	b.ReportAllocs()
	for b.Loop() {
		rows.Append(&o)
		if rows.Len() == 500 {
			rows.Response(1)
		}
	}
}

func BenchmarkReadRow(b *testing.B) {
	o := outcome.Outcome{Slot: 123456, Status: 200, Due: 3 * time.Second, Lateness: 20 * time.Microsecond, FirstByte: 150 * time.Microsecond, Service: 160 * time.Microsecond, ReceivedBytes: 16}
	row := AppendOutcome(nil, &o)
	b.ReportAllocs()
	for b.Loop() {
		var read outcome.Outcome
		if err := readOutcome(row, &read); err != nil {
			b.Fatal(err)
		}
	}
}
