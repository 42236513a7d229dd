package wire

import (
	"encoding/binary"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/fanout-load/fanout/services/internal/outcome"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// Numbers of the fields of FanOutResponse, OutcomeBatch and Outcome that are read and written by hand. A test holds them
// against the generated code.
const (
	responseSequence = 1
	responseOutcomes = 3
	batchOutcomes    = 1

	rowSlot          = 1
	rowRequest       = 2
	rowStatus        = 3
	rowError         = 4
	rowNotSent       = 5
	rowDue           = 6
	rowLateness      = 7
	rowFirstByte     = 8
	rowService       = 9
	rowSentBytes     = 10
	rowReceivedBytes = 11
	rowConnection    = 12
	rowMessage       = 13
	rowHeaders       = 14
	rowBody          = 15
	rowRedirects     = 16

	bodyText      = 1
	bodyData      = 2
	bodyTruncated = 3
)

const (
	// rowsHead is room before the rows for what their message has there: the field's tag, and its length.
	rowsHead = 1 + 5
	// keptRows is how large a buffer is kept for the next message: one that held a great body is not.
	keptRows = 64 << 10
)

// Rows is an OutcomeBatch that is written by hand, row by row, as the generated code would encode it: a message for each
// outcome would cost five times as much. The zero value is empty and ready.
type Rows struct {
	encoded []byte // rowsHead, and the rows; or nothing
	count   int
}

// Append appends an outcome. What it says is what OutcomeProto says.
func (r *Rows) Append(o *outcome.Outcome) {
	if r.count == 0 {
		r.encoded = append(r.encoded[:0], make([]byte, rowsHead)...)
	}
	r.encoded = protowire.AppendTag(r.encoded, batchOutcomes, protowire.BytesType)
	r.encoded = append(r.encoded, 0) // the length of nearly every row takes one byte
	start := len(r.encoded)
	r.encoded = AppendOutcome(r.encoded, o)
	r.encoded = setLength(r.encoded, start)
	r.count++
}

// setLength writes the length of what begins at start into the byte before it, and makes room if that is too little.
func setLength(b []byte, start int) []byte {
	size := len(b) - start
	if size < 0x80 {
		b[start-1] = byte(size)
		return b
	}
	more := protowire.SizeVarint(uint64(size)) - 1
	b = append(b, make([]byte, more)...)
	copy(b[start+more:], b[start:start+size])
	protowire.AppendVarint(b[:start-1], uint64(size))
	return b
}

// Len is the number of outcomes.
func (r *Rows) Len() int { return r.count }

// Size is the number of bytes.
func (r *Rows) Size() int { return max(len(r.encoded)-rowsHead, 0) }

// Response is the rows, of which there have to be some, as a message of the stream; after it they are empty. The message is valid
// until the next Append. To the codec the rows are fields that it does not know, which it passes on as they are: on the wire the
// message is the one that has them as outcomes.
func (r *Rows) Response(sequence int64) *fanoutv1.FanOutResponse {
	m := &fanoutv1.FanOutResponse{Sequence: sequence}
	begin := rowsHead - 1 - protowire.SizeVarint(uint64(r.Size()))
	tagged := protowire.AppendTag(r.encoded[:begin], responseOutcomes, protowire.BytesType)
	protowire.AppendVarint(tagged, uint64(r.Size()))
	m.ProtoReflect().SetUnknown(r.encoded[begin:])
	r.encoded, r.count = r.encoded[:0], 0
	if cap(r.encoded) > keptRows {
		r.encoded = nil
	}
	return m
}

// AppendOutcome appends the encoding of OutcomeProto(o), byte for byte.
func AppendOutcome(b []byte, o *outcome.Outcome) []byte {
	b = appendInt(b, rowSlot, o.Slot)
	b = appendInt(b, rowRequest, int64(o.Request))
	b = appendInt(b, rowStatus, int64(o.Status))
	b = appendInt(b, rowError, int64(o.Error))
	b = appendInt(b, rowNotSent, int64(o.NotSent))
	b = appendInt(b, rowDue, int64(o.Due))
	b = appendInt(b, rowLateness, int64(o.Lateness))
	b = appendInt(b, rowFirstByte, int64(o.FirstByte))
	b = appendInt(b, rowService, int64(o.Service))
	b = appendInt(b, rowSentBytes, o.SentBytes)
	b = appendInt(b, rowReceivedBytes, o.ReceivedBytes)
	if o.Connection != nil {
		b = appendMessage(b, rowConnection, connectionProto(o.Connection))
	}
	if o.Message != "" {
		b = protowire.AppendTag(b, rowMessage, protowire.BytesType)
		b = protowire.AppendString(b, text(o.Message))
	}
	for _, h := range o.Headers {
		b = appendMessage(b, rowHeaders, headerProto(h))
	}
	if o.Body != nil {
		b = appendBody(b, o.Body)
	}
	return appendInt(b, rowRedirects, int64(o.Redirects))
}

// appendInt appends an integer; 0 is absent.
func appendInt(b []byte, number protowire.Number, n int64) []byte {
	if n == 0 {
		return b
	}
	// The standard library's varint is inlined here, protowire's is not: a row takes half the time.
	b = binary.AppendUvarint(b, protowire.EncodeTag(number, protowire.VarintType))
	return binary.AppendUvarint(b, uint64(n))
}

// appendBody appends what bodyProto says.
func appendBody(b []byte, body *outcome.Body) []byte {
	content, isText := bodyContent(body)
	number := protowire.Number(bodyData)
	if isText {
		number = bodyText
	}
	size := protowire.SizeTag(number) + protowire.SizeBytes(len(content))
	if body.Truncated {
		size += protowire.SizeTag(bodyTruncated) + protowire.SizeVarint(1)
	}
	b = slices.Grow(b, max(size+8, len(b))) // twofold: one body after the other is what makes a message long
	b = protowire.AppendTag(b, rowBody, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = appendInt(b, bodyTruncated, int64(protowire.EncodeBool(body.Truncated))) // generated code has the oneof last
	b = protowire.AppendTag(b, number, protowire.BytesType)
	return protowire.AppendBytes(b, content)
}

// appendMessage appends one of the messages that only few rows have. Strings in them are valid, so nothing can fail.
func appendMessage(b []byte, number protowire.Number, m proto.Message) []byte {
	b = protowire.AppendTag(b, number, protowire.BytesType)
	b = append(b, 0)
	start := len(b)
	encoded, err := proto.MarshalOptions{}.MarshalAppend(b, m)
	if err != nil {
		panic("wire: a message with valid strings does not marshal: " + err.Error())
	}
	return setLength(encoded, start)
}
