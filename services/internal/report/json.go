package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
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
		headDocument: headOf(r),
		figures:      figuresOf(s),
		Groups:       groupsOf(s),
		Workers:      make([]workerDocument, len(r.Workers)),
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
		headDocument
		figures
		Groups  map[string]tallyDocument `json:"groups"`
		Workers []workerDocument         `json:"workers"`
	}

	// headDocument is a run without what became of its slots one by one; lists of runs have it alone.
	headDocument struct {
		SchemaVersion int               `json:"schemaVersion"`
		ID            string            `json:"id"`
		Name          string            `json:"name"`
		Creator       string            `json:"creator"`
		Labels        map[string]string `json:"labels"`
		Plan          *planDocument     `json:"plan,omitempty"`
		State         string            `json:"state"`
		Verdict       string            `json:"verdict"`
		VerdictReason string            `json:"verdictReason"`
		LimitedBy     string            `json:"limitedBy"`
		LimitedReason string            `json:"limitedReason"`
		OnWorkerLoss  string            `json:"onWorkerLoss"`
		CreateTime    time.Time         `json:"createTime,omitzero"`
		StartTime     time.Time         `json:"startTime,omitzero"`
		StartSpread   *seconds          `json:"startSpreadDuration,omitempty"`
		EndTime       time.Time         `json:"endTime,omitzero"`
		Counts        counts            `json:"counts"`
	}

	workerDocument struct {
		Address     string   `json:"address"`
		InstanceID  string   `json:"instanceId"`
		StartOffset *seconds `json:"startOffset,omitempty"`
		tallyDocument
		Failure *failureDocument `json:"failure,omitempty"`
		Effort  *effortDocument  `json:"effort,omitempty"`
	}

	effortDocument struct {
		CPUShare              float64 `json:"cpuShare"`
		SenderCount           int64   `json:"senderCount"`
		HeldBackCount         int64   `json:"heldBackCount"`
		CappedCount           int64   `json:"cappedCount"`
		GrantWaitDuration     seconds `json:"grantWaitDuration"`
		StartLatenessDuration seconds `json:"startLatenessDuration"`
	}

	failureDocument struct {
		Class   string `json:"class"`
		Message string `json:"message"`
	}
)

func headOf(r *run.Run) headDocument {
	h := headDocument{
		SchemaVersion: schemaVersion,
		ID:            r.ID,
		Name:          r.Name,
		Creator:       r.Creator,
		Labels:        r.Labels,
		Plan:          planOf(r.Plan),
		State:         r.State.String(),
		Verdict:       r.Verdict.String(),
		VerdictReason: r.Reason,
		LimitedBy:     r.LimitedBy.String(),
		LimitedReason: r.LimitedReason,
		OnWorkerLoss:  r.OnWorkerLoss.String(),
		CreateTime:    r.Created.UTC(),
		StartTime:     r.Started.UTC(),
		StartSpread:   secondsOf(r.StartSpread),
		EndTime:       r.Ended.UTC(),
	}
	if h.Labels == nil {
		h.Labels = map[string]string{}
	}
	if r.Tally != nil {
		h.Counts = counts(r.Tally.Counts)
	}
	return h
}

func workerOf(w run.WorkerResult) workerDocument {
	s := w.Tally
	if s == nil {
		s = new(tally.Snapshot)
	}
	d := workerDocument{Address: w.Address, InstanceID: w.InstanceID, StartOffset: secondsOf(w.StartOffset), tallyDocument: tallyOf(s)}
	if w.Failure != nil {
		d.Failure = &failureDocument{w.Failure.Class.String(), w.Failure.Message}
	}
	if w.Effort != nil {
		d.Effort = effortOf(w.Effort)
	}
	return d
}

func effortOf(e *run.Effort) *effortDocument {
	return &effortDocument{e.CPUShare, e.Senders, e.HeldBack, e.Capped, seconds(e.GrantWait), seconds(e.StartLateness)}
}
