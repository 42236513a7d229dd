package wire

import (
	"time"
	"unicode/utf8"

	"github.com/fanout-load/fanout/services/internal/outcome"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// OutcomeProto is the message that says o. It always marshals, whatever the target sent: strings that are not UTF-8 get
// replacement characters, and a body that is not travels as data.
func OutcomeProto(o *outcome.Outcome) *fanoutv1.Outcome {
	pb := &fanoutv1.Outcome{
		Slot:           o.Slot,
		Request:        o.Request,
		Status:         o.Status,
		Error:          fanoutv1.ErrorClass(o.Error),
		NotSent:        fanoutv1.NotSentReason(o.NotSent),
		DueNanos:       int64(o.Due),
		LatenessNanos:  int64(o.Lateness),
		FirstByteNanos: int64(o.FirstByte),
		ServiceNanos:   int64(o.Service),
		SentBytes:      o.SentBytes,
		ReceivedBytes:  o.ReceivedBytes,
		ErrorMessage:   text(o.Message),
		RedirectCount:  o.Redirects,
	}
	if o.Connection != nil {
		pb.Connection = connectionProto(o.Connection)
	}
	for _, h := range o.Headers {
		pb.Headers = append(pb.Headers, headerProto(h))
	}
	if o.Body != nil {
		pb.Body = bodyProto(o.Body)
	}
	return pb
}

func headerProto(h outcome.Header) *fanoutv1.Header {
	return &fanoutv1.Header{Name: text(h.Name), Value: text(h.Value)}
}

func connectionProto(c *outcome.Connection) *fanoutv1.Connection {
	return &fanoutv1.Connection{
		PeerAddress: text(c.Peer),
		Protocol:    text(c.Protocol),
		DnsNanos:    int64(c.DNS),
		DialNanos:   int64(c.Dial),
		TlsNanos:    int64(c.TLS),
		TlsResumed:  c.TLSResumed,
	}
}

// bodyProto sends a body as text if it is. The empty one is, so that it differs from one that was not asked for.
func bodyProto(b *outcome.Body) *fanoutv1.Body {
	pb := &fanoutv1.Body{Truncated: b.Truncated}
	if content, isText := bodyContent(b); isText {
		pb.Content = &fanoutv1.Body_Text{Text: string(content)}
	} else {
		pb.Content = &fanoutv1.Body_Data{Data: content}
	}
	return pb
}

// bodyContent is what of a body is sent, and whether it is text.
func bodyContent(b *outcome.Body) (content []byte, isText bool) {
	whole := b.Bytes
	if b.Truncated {
		whole = wholeRunes(b.Bytes)
	}
	if utf8.Valid(whole) {
		return whole, true
	}
	return b.Bytes, false
}

// wholeRunes is b without the beginning of a rune at its end, where a cut at a number of bytes may have left one.
func wholeRunes(b []byte) []byte {
	for at := len(b) - 1; at >= 0 && len(b)-at < utf8.UTFMax; at-- {
		if utf8.RuneStart(b[at]) {
			if utf8.FullRune(b[at:]) {
				return b
			}
			return b[:at]
		}
	}
	return b
}

// Outcome is the outcome that pb says. It is safe to count, whoever sent it: classes and reasons that are not known here
// become ones that are, times are never negative and never overflow in a sum, and a status is 0 to 999.
func Outcome(pb *fanoutv1.Outcome) outcome.Outcome {
	o := outcome.Outcome{
		Slot:          pb.GetSlot(),
		Request:       pb.GetRequest(),
		Status:        status(pb.GetStatus()),
		Due:           nanos(pb.GetDueNanos()),
		Lateness:      nanos(pb.GetLatenessNanos()),
		FirstByte:     nanos(pb.GetFirstByteNanos()),
		Service:       nanos(pb.GetServiceNanos()),
		SentBytes:     pb.GetSentBytes(),
		ReceivedBytes: pb.GetReceivedBytes(),
		Message:       pb.GetErrorMessage(),
		Redirects:     pb.GetRedirectCount(),
	}
	if e := pb.GetError(); e != fanoutv1.ErrorClass_ERROR_CLASS_UNSPECIFIED {
		o.Error = class(e)
	}
	if r := pb.GetNotSent(); r != fanoutv1.NotSentReason_NOT_SENT_REASON_UNSPECIFIED {
		o.NotSent = reason(r)
	}
	if c := pb.GetConnection(); c != nil {
		o.Connection = connection(c)
	}
	for _, h := range pb.GetHeaders() {
		o.Headers = append(o.Headers, outcome.Header{Name: h.GetName(), Value: h.GetValue()})
	}
	if b := pb.GetBody(); b != nil {
		o.Body = &outcome.Body{Bytes: content(b), Truncated: b.GetTruncated()}
	}
	return o
}

func connection(c *fanoutv1.Connection) *outcome.Connection {
	return &outcome.Connection{
		Peer:     c.GetPeerAddress(),
		Protocol: c.GetProtocol(),
		DNS:      nanos(c.GetDnsNanos()),
		Dial:     nanos(c.GetDialNanos()),
		TLS:      nanos(c.GetTlsNanos()),

		TLSResumed: c.GetTlsResumed(),
	}
}

// content is a body's bytes, as text or as data.
func content(b *fanoutv1.Body) []byte {
	switch content := b.GetContent().(type) {
	case *fanoutv1.Body_Text:
		return []byte(content.Text)
	case *fanoutv1.Body_Data:
		return content.Data
	}
	return nil
}

// class is the class with the number of e. One that only a newer sender knows is Other; so is none at all, which is not a
// class of an error.
func class(e fanoutv1.ErrorClass) outcome.Class {
	if e > 0 && e < outcome.ClassCount {
		if c := outcome.Class(e); c.String() != outcome.NoError.String() {
			return c
		}
	}
	return outcome.Other
}

// reason is the reason with the number of r. One that only a newer sender knows, and none at all, is taken for the one
// that makes a run INCOMPLETE: it must not pass for a load that came to its end.
func reason(r fanoutv1.NotSentReason) outcome.Reason {
	if r > 0 && r < outcome.ReasonCount {
		if known := outcome.Reason(r); known.String() != outcome.Sent.String() {
			return known
		}
	}
	return outcome.NotSentLeaseLost
}

// maxNanos is 73 years, and the sum of three of them is still a duration.
const maxNanos = 1 << 61

func nanos(n int64) time.Duration { return time.Duration(min(max(n, 0), maxNanos)) }

// status keeps a stranger from making as many counters as there are numbers.
func status(s int32) int32 {
	if s < 0 || s > 999 {
		return 0
	}
	return s
}
