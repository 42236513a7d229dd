package wire

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/fanout-load/fanout/services/internal/outcome"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// errRow says that a row is not an Outcome.
var errRow = errors.New("a row is malformed")

// Receive receives a message of a stream without decoding it, for ReadResponse. The error is the stream's.
//
// A message without fields takes every field as one that it does not know, and keeps its bytes.
func Receive(stream interface{ RecvMsg(message any) error }) (encoded []byte, err error) {
	var message emptypb.Empty
	err = stream.RecvMsg(&message)
	return message.ProtoReflect().GetUnknown(), err
}

// ReadResponse reads a FanOutResponse from its encoding. Is it one of outcomes, they are appended to rows, and event is nil:
// most messages are, and a message for each outcome would cost three times as much. Everything else comes as event. What a row
// says is what Outcome says of the message.
func ReadResponse(encoded []byte, rows []outcome.Outcome) (sequence int64, read []outcome.Outcome, event *fanoutv1.FanOutResponse, err error) {
	sequence, batch, ok := splitResponse(encoded)
	if !ok {
		event = &fanoutv1.FanOutResponse{}
		if err := proto.Unmarshal(encoded, event); err != nil {
			return 0, rows, nil, fmt.Errorf("reading a message: %w", err)
		}
		outcomes := event.GetOutcomes()
		if outcomes == nil {
			return event.GetSequence(), rows, event, nil
		}
		for _, o := range outcomes.GetOutcomes() { // beside something else, of a newer sender
			rows = append(rows, Outcome(o))
		}
		return event.GetSequence(), rows, nil, nil
	}
	for len(batch) > 0 {
		row, size := consumeBytes(batch, batchOutcomes)
		if size <= 0 {
			return 0, rows, nil, errRow
		}
		batch = batch[size:]
		rows = append(rows, outcome.Outcome{})
		if err := readOutcome(row, &rows[len(rows)-1]); err != nil {
			return 0, rows, nil, err
		}
	}
	return sequence, rows, nil, nil
}

// splitResponse is a response's sequence and its outcomes, if it has nothing else.
func splitResponse(b []byte) (sequence int64, batch []byte, ok bool) {
	number, kind, size := protowire.ConsumeTag(b)
	if size < 0 || number != responseSequence || kind != protowire.VarintType {
		return 0, nil, false
	}
	b = b[size:]
	n, size := protowire.ConsumeVarint(b)
	if size < 0 {
		return 0, nil, false
	}
	b = b[size:]
	batch, size = consumeBytes(b, responseOutcomes)
	return int64(n), batch, size > 0 && size == len(b)
}

// consumeBytes takes a field of bytes with the number; size is 0 or less if b does not begin with one.
func consumeBytes(b []byte, want protowire.Number) (value []byte, size int) {
	number, kind, tag := protowire.ConsumeTag(b)
	if tag < 0 || number != want || kind != protowire.BytesType {
		return nil, -1
	}
	value, size = protowire.ConsumeBytes(b[tag:])
	if size < 0 {
		return nil, -1
	}
	return value, tag + size
}

// readOutcome reads a row into o, which is zero.
func readOutcome(b []byte, o *outcome.Outcome) error {
	for len(b) > 0 {
		number, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errRow
		}
		b = b[size:]
		switch {
		case kind == protowire.VarintType && isNumber(number):
			n, size := protowire.ConsumeVarint(b)
			if size < 0 {
				return errRow
			}
			b = b[size:]
			setNumber(o, number, int64(n))
		case kind == protowire.BytesType && number >= rowConnection && number <= rowBody:
			value, size := protowire.ConsumeBytes(b)
			if size < 0 {
				return errRow
			}
			b = b[size:]
			if err := setMessage(o, number, value); err != nil {
				return err
			}
		default: // of a newer sender
			size := protowire.ConsumeFieldValue(number, kind, b)
			if size < 0 {
				return errRow
			}
			b = b[size:]
		}
	}
	return nil
}

func isNumber(n protowire.Number) bool { return n <= rowReceivedBytes || n == rowRedirects }

func setNumber(o *outcome.Outcome, number protowire.Number, n int64) {
	switch number {
	case rowSlot:
		o.Slot = n
	case rowRequest:
		o.Request = int32(n)
	case rowStatus:
		o.Status = status(int32(n))
	case rowError:
		if o.Error = outcome.NoError; int32(n) != 0 {
			o.Error = class(fanoutv1.ErrorClass(int32(n)))
		}
	case rowNotSent:
		if o.NotSent = outcome.Sent; int32(n) != 0 {
			o.NotSent = reason(fanoutv1.NotSentReason(int32(n)))
		}
	case rowDue:
		o.Due = nanos(n)
	case rowLateness:
		o.Lateness = nanos(n)
	case rowFirstByte:
		o.FirstByte = nanos(n)
	case rowService:
		o.Service = nanos(n)
	case rowSentBytes:
		o.SentBytes = n
	case rowReceivedBytes:
		o.ReceivedBytes = n
	case rowRedirects:
		o.Redirects = int32(n)
	}
}

func setMessage(o *outcome.Outcome, number protowire.Number, value []byte) error {
	switch number {
	case rowMessage:
		if !utf8.Valid(value) {
			return errRow
		}
		o.Message = string(value)
	case rowConnection:
		c := &fanoutv1.Connection{}
		if err := proto.Unmarshal(value, c); err != nil {
			return errRow
		}
		o.Connection = connection(c)
	case rowHeaders:
		h := &fanoutv1.Header{}
		if err := proto.Unmarshal(value, h); err != nil {
			return errRow
		}
		o.Headers = append(o.Headers, outcome.Header{Name: h.GetName(), Value: h.GetValue()})
	case rowBody:
		body := &fanoutv1.Body{}
		if err := proto.Unmarshal(value, body); err != nil {
			return errRow
		}
		o.Body = &outcome.Body{Bytes: content(body), Truncated: body.GetTruncated()}
	}
	return nil
}
