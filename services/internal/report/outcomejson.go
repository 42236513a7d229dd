package report

import (
	"io"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

type (
	outcomeDocument struct {
		Slot          int64               `json:"slot"`
		Request       int32               `json:"request"`
		Status        int32               `json:"status"`
		Error         string              `json:"error,omitempty"`
		NotSent       string              `json:"notSent,omitempty"`
		Due           seconds             `json:"due"`
		Lateness      *seconds            `json:"lateness,omitempty"`
		FirstByteTime seconds             `json:"firstByteTime,omitempty"`
		ServiceTime   *seconds            `json:"serviceTime,omitempty"`
		SentBytes     int64               `json:"sentBytes"`
		ReceivedBytes int64               `json:"receivedBytes"`
		Connection    *connectionDocument `json:"connection,omitempty"`
		ErrorMessage  string              `json:"errorMessage,omitempty"`
		Headers       []headerDocument    `json:"headers,omitempty"`
		Body          *bodyDocument       `json:"body,omitempty"`
		RedirectCount int32               `json:"redirectCount,omitempty"`
	}

	connectionDocument struct {
		PeerAddress string  `json:"peerAddress"`
		Protocol    string  `json:"protocol"`
		DNS         seconds `json:"dns"`
		Dial        seconds `json:"dial"`
		TLS         seconds `json:"tls"`
		TLSResumed  bool    `json:"tlsResumed,omitempty"`
	}
)

// OutcomeJSON writes one outcome as one line of JSON, of the shape that the package comment tells. Headers and body are as
// the target sent them: the caller asked for them by name, so nothing in them is redacted.
func OutcomeJSON(w io.Writer, o *outcome.Outcome) error {
	d := outcomeDocument{
		Slot:          o.Slot,
		Request:       o.Request,
		Status:        o.Status,
		Due:           seconds(o.Due),
		FirstByteTime: seconds(o.FirstByte),
		SentBytes:     o.SentBytes,
		ReceivedBytes: o.ReceivedBytes,
		ErrorMessage:  o.Message,
		RedirectCount: o.Redirects,
	}
	if o.Error != outcome.NoError {
		d.Error = o.Error.String()
	}
	if o.NotSent != outcome.Sent {
		d.NotSent = o.NotSent.String()
	} else {
		// Absent for a slot that was not sent: a zero there would pass for the fastest of all.
		lateness, service := seconds(o.Lateness), seconds(o.Service)
		d.Lateness, d.ServiceTime = &lateness, &service
	}
	if c := o.Connection; c != nil {
		d.Connection = &connectionDocument{c.Peer, c.Protocol, seconds(c.DNS), seconds(c.Dial), seconds(c.TLS), c.TLSResumed}
	}
	for _, h := range o.Headers {
		d.Headers = append(d.Headers, headerDocument(h))
	}
	if o.Body != nil {
		d.Body = bodyOf(o.Body.Bytes, o.Body.Truncated)
	}
	return write(w, d, "")
}
