package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/run"
)

// manyRuns is runs of every kind, newest first.
func manyRuns() []*run.Run {
	going := &run.Run{ID: "r-01jpk4m5", State: run.Running, Created: start.Add(time.Hour), Started: start.Add(time.Hour), Tally: snapshot()}
	evilOne := hostile()
	evilOne.ID = "r-01jpk4m6"
	wordy := lossy()
	wordy.Name = strings.Repeat("nightly ", 20)
	return []*run.Run{going, evilOne, wordy, refused(), passed(), {ID: "r-old", State: run.Starting}}
}

func TestListGolden(t *testing.T) {
	t.Parallel()
	for name, runs := range map[string][]*run.Run{"list": manyRuns(), "list_none": nil, "list_nameless": {refused(), passed()}} {
		var b strings.Builder
		if err := ListText(&b, runs, TextOptions{}); err != nil {
			t.Fatalf("ListText() = %v", err)
		}
		checkShown(t, b.String(), 0)
		golden(t, name, b.String())
	}
}

// An element of a list has the keys of the report's head with the same values, and nothing else.
func TestListJSON(t *testing.T) {
	t.Parallel()
	runs := []*run.Run{lossy(), passed(), {}}
	var b bytes.Buffer
	if err := ListJSON(&b, runs); err != nil {
		t.Fatal(err)
	}
	checkShown(t, b.String(), 0)
	for i, r := range runs {
		var report bytes.Buffer
		if err := JSON(&report, r); err != nil {
			t.Fatal(err)
		}
		element := raw(t, b.Bytes(), "runs", i)
		got, whole := keys(t, element), keys(t, report.Bytes())
		if want := whole[:len(got)]; strings.Join(got, " ") != strings.Join(want, " ") || got[len(got)-1] != "counts" {
			t.Errorf("keys of run %d are %v, want those of its report up to counts, %v", i, got, want)
		}
		for _, key := range got {
			if a, b := compact(t, raw(t, element, key)), compact(t, raw(t, report.Bytes(), key)); a != b {
				t.Errorf("%s of run %d is %s, want %s", key, i, a, b)
			}
		}
	}
	b.Reset()
	if err := ListJSON(&b, nil); err != nil || compact(t, b.Bytes()) != `{"runs":[]}` {
		t.Errorf("ListJSON() of none = %q, %v, want an empty list", b.String(), err)
	}
}

func compact(t *testing.T, document []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, document); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestChecks(t *testing.T) {
	t.Parallel()
	good := run.Check{Name: "closure", OK: true, Detail: "10 planned = 9 responses + 1 error"}
	for _, tt := range []struct {
		name   string
		checks []run.Check
		text   string
		json   string
	}{
		{
			"all hold",
			[]run.Check{good, {Name: "seconds", OK: true}},
			"ok  closure  10 planned = 9 responses + 1 error\nok  seconds\n2 checks of run r-1 hold.\n",
			`{"runId":"r-1","ok":true,"checks":[{"name":"closure","ok":true,"detail":"10 planned = 9 responses + 1 error"},` +
				`{"name":"seconds","ok":true,"detail":""}]}`,
		},
		{
			"one does not",
			[]run.Check{{Name: "grants", Detail: "slot 7 twice\x1b"}, good},
			"FAILED  grants   slot 7 twice\\x1b\nok      closure  10 planned = 9 responses + 1 error\n1 of 2 checks of run r-1 does not hold.\n",
			`{"runId":"r-1","ok":false,"checks":[{"name":"grants","ok":false,"detail":"slot 7 twice\u001b"},` +
				`{"name":"closure","ok":true,"detail":"10 planned = 9 responses + 1 error"}]}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var text strings.Builder
			if err := ChecksText(&text, "r-1", tt.checks, TextOptions{}); err != nil || text.String() != tt.text {
				t.Errorf("ChecksText() = %v and\n%s\nwant\n%s", err, text.String(), tt.text)
			}
			var b bytes.Buffer
			if err := ChecksJSON(&b, "r-1", tt.checks); err != nil || compact(t, b.Bytes()) != tt.json {
				t.Errorf("ChecksJSON() = %v and\n%s\nwant\n%s", err, compact(t, b.Bytes()), tt.json)
			}
		})
	}
}

func TestListWriteErrorsAreReturned(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"ListText":   ListText(brokenWriter{}, manyRuns(), TextOptions{}),
		"ListJSON":   ListJSON(brokenWriter{}, manyRuns()),
		"ChecksText": ChecksText(brokenWriter{}, "r-1", nil, TextOptions{}),
		"ChecksJSON": ChecksJSON(brokenWriter{}, "r-1", nil),
	} {
		if !errors.Is(err, errBroken) {
			t.Errorf("%s() = %v, want %v", name, err, errBroken)
		}
	}
}
