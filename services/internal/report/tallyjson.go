package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fanout-load/fanout/services/internal/tally"
)

type (
	// tallyDocument is a tally without groups.
	tallyDocument struct {
		Counts counts `json:"counts"`
		figures
	}

	counts struct {
		Planned   int64 `json:"planned"`
		Pending   int64 `json:"pending"`
		InFlight  int64 `json:"inFlight"`
		Responses int64 `json:"responses"`
		Errors    int64 `json:"errors"`
		NotSent   int64 `json:"notSent"`
		Unknown   int64 `json:"unknown"`
	}

	// figures are a tally without counts and groups.
	figures struct {
		ResponsesByStatus     map[int32]int64   `json:"responsesByStatus"`
		Errors                []errorDocument   `json:"errors"`
		NotSent               []notSentDocument `json:"notSent"`
		SentBytes             int64             `json:"sentBytes"`
		ReceivedBytes         int64             `json:"receivedBytes"`
		ServiceTime           latencyDocument   `json:"serviceTime"`
		ResponseTime          latencyDocument   `json:"responseTime"`
		Lateness              latencyDocument   `json:"lateness"`
		FirstByteTime         latencyDocument   `json:"firstByteTime"`
		FoldedCount           int64             `json:"foldedCount"`
		RecordsCount          int64             `json:"recordsCount"`
		LostCount             int64             `json:"lostCount"`
		StreamStalledDuration seconds           `json:"streamStalledDuration"`
	}

	errorDocument struct {
		Class    string   `json:"class"`
		Count    int64    `json:"count"`
		Examples []string `json:"examples"`
	}

	notSentDocument struct {
		Reason string `json:"reason"`
		Count  int64  `json:"count"`
	}

	latencyDocument struct {
		Count        int64   `json:"count"`
		Sum          seconds `json:"sum"`
		Min          seconds `json:"min"`
		Mean         seconds `json:"mean"`
		P50          seconds `json:"p50"`
		P75          seconds `json:"p75"`
		P90          seconds `json:"p90"`
		P95          seconds `json:"p95"`
		P99          seconds `json:"p99"`
		P999         seconds `json:"p999"`
		Max          seconds `json:"max"`
		ClampedCount int64   `json:"clampedCount"`
		Buckets      []byte  `json:"buckets,omitempty"`
	}
)

// seconds is a duration as a JSON number of seconds. It is written digit by digit rather than as a float, so that it is
// exact to the nanosecond however long, and never has an exponent.
type seconds time.Duration

// MarshalJSON is the number.
func (s seconds) MarshalJSON() ([]byte, error) {
	sign, whole, nanos := "", int64(s)/int64(time.Second), int64(s)%int64(time.Second)
	if s < 0 {
		sign, whole, nanos = "-", -whole, -nanos
	}
	text := sign + strconv.FormatInt(whole, 10)
	if nanos != 0 {
		text += strings.TrimRight(fmt.Sprintf(".%09d", nanos), "0")
	}
	return []byte(text), nil
}

// secondsOf is a duration that may not be known, and then is absent.
func secondsOf(d *time.Duration) *seconds { return (*seconds)(d) }

func tallyOf(s *tally.Snapshot) tallyDocument { return tallyDocument{counts(s.Counts), figuresOf(s)} }

func groupsOf(s *tally.Snapshot) map[string]tallyDocument {
	groups := make(map[string]tallyDocument, len(s.Groups))
	for name, g := range s.Groups {
		groups[name] = tallyOf(g)
	}
	return groups
}

func figuresOf(s *tally.Snapshot) figures {
	f := figures{
		ResponsesByStatus:     s.ByStatus,
		Errors:                make([]errorDocument, len(s.Errors)),
		NotSent:               make([]notSentDocument, len(s.NotSent)),
		SentBytes:             s.SentBytes,
		ReceivedBytes:         s.ReceivedBytes,
		ServiceTime:           latencyOf(&s.Service),
		ResponseTime:          latencyOf(&s.Response),
		Lateness:              latencyOf(&s.Lateness),
		FirstByteTime:         latencyOf(&s.FirstByte),
		FoldedCount:           s.Folded,
		RecordsCount:          s.Records,
		LostCount:             s.Lost,
		StreamStalledDuration: seconds(s.Stalled),
	}
	if f.ResponsesByStatus == nil {
		f.ResponsesByStatus = map[int32]int64{}
	}
	for i, e := range s.Errors {
		f.Errors[i] = errorDocument{e.Class.String(), e.Count, append([]string{}, e.Examples...)}
	}
	for i, n := range s.NotSent {
		f.NotSent[i] = notSentDocument{n.Reason.String(), n.Count}
	}
	return f
}

func latencyOf(l *tally.Latency) latencyDocument {
	return latencyDocument{
		Count: l.Count, Sum: seconds(l.Sum), Min: seconds(l.Min), Mean: seconds(l.Mean()),
		P50: seconds(l.P50), P75: seconds(l.P75), P90: seconds(l.P90), P95: seconds(l.P95), P99: seconds(l.P99), P999: seconds(l.P999),
		Max: seconds(l.Max), ClampedCount: l.Clamped, Buckets: l.Buckets,
	}
}
