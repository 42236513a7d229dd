package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// schemaVersion is the version of the documents' shape; doc.go says when it goes up.
const schemaVersion = 1

// JSON writes a run as one indented JSON document, of the shape that the package comment tells. A run without a tally is
// written with one of zeros.
func JSON(w io.Writer, r *run.Run) error {
	s := r.Tally
	if s == nil {
		s = new(tally.Snapshot)
	}
	document := runDocument{
		SchemaVersion: schemaVersion,
		ID:            r.ID,
		Name:          r.Name,
		Labels:        r.Labels,
		Plan:          planOf(r.Plan),
		State:         r.State.String(),
		Verdict:       r.Verdict.String(),
		VerdictReason: r.Reason,
		LimitedBy:     r.LimitedBy.String(),
		LimitedReason: r.LimitedReason,
		CreateTime:    r.Created.UTC(),
		StartTime:     r.Started.UTC(),
		EndTime:       r.Ended.UTC(),
		Counts:        counts(s.Counts),
		figures:       figuresOf(s),
		Groups:        groupsOf(s),
		Workers:       make([]workerDocument, len(r.Workers)),
	}
	if document.Labels == nil {
		document.Labels = map[string]string{}
	}
	for i, worker := range r.Workers {
		document.Workers[i] = workerOf(worker)
	}
	return write(w, document, "  ")
}

// CallJSON writes the counts at the end of a call as one line of JSON, of the shape that the package comment tells.
func CallJSON(w io.Writer, s *tally.Snapshot, elapsed time.Duration) error {
	return write(w, struct {
		Counts  counts  `json:"counts"`
		Elapsed seconds `json:"elapsed"`
		figures
		Groups map[string]tallyDocument `json:"groups"`
	}{counts(s.Counts), seconds(elapsed), figuresOf(s), groupsOf(s)}, "")
}

// write writes a document and the end of its last line. An indent of "" puts it all on one line.
func write(w io.Writer, document any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", indent)
	e.SetEscapeHTML(false) // the & of a query is easier to read than \u0026, and no browser sees this as HTML
	if err := e.Encode(document); err != nil {
		return fmt.Errorf("encoding JSON: %w", err)
	}
	_, err := w.Write(escapeHidden(b.Bytes()))
	return err
}

// The documents are structs, not maps, because their order is the order of the keys. Embedded ones stand beside what
// embeds them.
type (
	runDocument struct {
		SchemaVersion int               `json:"schemaVersion"`
		ID            string            `json:"id"`
		Name          string            `json:"name"`
		Labels        map[string]string `json:"labels"`
		Plan          *planDocument     `json:"plan,omitempty"`
		State         string            `json:"state"`
		Verdict       string            `json:"verdict"`
		VerdictReason string            `json:"verdictReason"`
		LimitedBy     string            `json:"limitedBy"`
		LimitedReason string            `json:"limitedReason"`
		CreateTime    time.Time         `json:"createTime,omitzero"`
		StartTime     time.Time         `json:"startTime,omitzero"`
		EndTime       time.Time         `json:"endTime,omitzero"`
		Counts        counts            `json:"counts"`
		figures
		Groups  map[string]tallyDocument `json:"groups"`
		Workers []workerDocument         `json:"workers"`
	}

	workerDocument struct {
		Address    string `json:"address"`
		InstanceID string `json:"instanceId"`
		tallyDocument
		Failure *failureDocument `json:"failure,omitempty"`
		Effort  *effortDocument  `json:"effort,omitempty"`
	}

	effortDocument struct {
		CPUShare      float64 `json:"cpuShare"`
		SenderCount   int64   `json:"senderCount"`
		HeldBackCount int64   `json:"heldBackCount"`
		CappedCount   int64   `json:"cappedCount"`
	}

	failureDocument struct {
		Class   string `json:"class"`
		Message string `json:"message"`
	}

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

func workerOf(w run.WorkerResult) workerDocument {
	s := w.Tally
	if s == nil {
		s = new(tally.Snapshot)
	}
	d := workerDocument{Address: w.Address, InstanceID: w.InstanceID, tallyDocument: tallyOf(s)}
	if w.Failure != nil {
		d.Failure = &failureDocument{w.Failure.Class.String(), w.Failure.Message}
	}
	if w.Effort != nil {
		d.Effort = &effortDocument{w.Effort.CPUShare, w.Effort.Senders, w.Effort.HeldBack, w.Effort.Capped}
	}
	return d
}

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
