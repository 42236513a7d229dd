// Package metricstest reads what a service shows as a Prometheus server does.
package metricstest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// bound is how long a scrape may take; Prometheus gives it 10 s.
const bound = 10 * time.Second

// Figures is the value of each series by its name and labels, as in name{label="value"}, with labels in the order of their names.
type Figures map[string]float64

// Scrape is what is shown at HOST:PORT now.
func Scrape(t testing.TB, address string) Figures {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: bound}
	response, err := client.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatalf("GET /metrics = %v", err)
	}
	defer response.Body.Close()
	format := expfmt.ResponseFormat(response.Header)
	if response.StatusCode != http.StatusOK || format.FormatType() != expfmt.TypeTextPlain {
		t.Fatalf("GET /metrics = %s, %s, want 200 and Prometheus' text format", response.Status, response.Header.Get("Content-Type"))
	}
	figures := Figures{}
	decoder := expfmt.NewDecoder(response.Body, format)
	for {
		var family dto.MetricFamily
		switch err := decoder.Decode(&family); err {
		case nil:
			figures.add(&family)
		case io.EOF:
			return figures
		default:
			t.Fatalf("GET /metrics is not Prometheus' text format: %v", err)
		}
	}
}

func (f Figures) add(family *dto.MetricFamily) {
	for _, m := range family.GetMetric() {
		var labels []string
		for _, l := range m.GetLabel() {
			labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
		}
		name := family.GetName()
		if labels != nil {
			name += "{" + strings.Join(labels, ",") + "}"
		}
		switch {
		case m.Counter != nil:
			f[name] = m.GetCounter().GetValue()
		case m.Gauge != nil:
			f[name] = m.GetGauge().GetValue()
		default:
			f[name] = float64(m.GetSummary().GetSampleCount()) // of Go's runtime
		}
	}
}

// Want fails unless the series have these values.
func (f Figures) Want(t testing.TB, want Figures) {
	t.Helper()
	for name, n := range want {
		if got, ok := f[name]; !ok || got != n {
			t.Errorf("%s = %v (there: %v), want %v", name, got, ok, n)
		}
	}
}

// WantSameSeries fails unless f has the series of earlier, and no other: labels have the values of closed lists.
func (f Figures) WantSameSeries(t testing.TB, earlier Figures) {
	t.Helper()
	for name := range f {
		if _, ok := earlier[name]; !ok {
			t.Errorf("the series %s has come about, want those of the start alone", name)
		}
	}
	for name := range earlier {
		if _, ok := f[name]; !ok {
			t.Errorf("the series %s has gone, want those of the start", name)
		}
	}
}
