package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParseTaken(t *testing.T) {
	t.Parallel()
	got, err := parseTaken([]byte(`{"Rows": 3, "Responses": 4, "Settled": 4, "Renewals": 2}`), 4)
	if want := (taken{Rows: 3, Responses: 4, Settled: 4, Renewals: 2}); got != want || err != nil {
		t.Errorf("parseTaken = %v, %v, want %v", got, err, want)
	}
	for _, text := range []string{"", `{"Responses": 3, "Settled": 4}`, `{"Responses": 5, "Settled": 5}`} {
		if _, err := parseTaken([]byte(text), 4); err == nil {
			t.Errorf("parseTaken(%q) has no error", text)
		}
	}
}

// A shard is carried out to its end both ways, and its stream has every outcome.
func TestTakeShard(t *testing.T) {
	t.Parallel()
	l := testLab(t)
	target, err := l.startSlow(t.Context(), anyCPU, slowness{least: time.Millisecond, most: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer target.abandon()
	worker, err := l.serve(t.Context(), pinned(anyCPU, l.self, "serve-workers"))
	if err != nil {
		t.Fatal(err)
	}
	defer worker.abandon()
	sum := int64(0)
	for _, arguments := range [][]string{nil, {"-leased"}} {
		argv := append([]string{l.self, takeShardName, "-worker", worker.address, "-url", target.url(), "-length", "100ms"}, arguments...)
		end, err := l.execute(t.Context(), pinned(anyCPU, argv...), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var responses, rows, renewals int64
		if _, err := fmt.Sscanf(string(end.stdout), `{"Rows":%d,"Responses":%d,"Settled":%d,"Renewals":%d}`, &rows, &responses, new(int64), &renewals); err != nil {
			t.Fatalf("%s: %v", end.stdout, err)
		}
		if _, err := parseTaken(end.stdout, responses); err != nil || rows != responses || responses < connections || (renewals > 0) != (arguments != nil) {
			t.Errorf("take-shard %q printed %s (%v), want each response as a row, and renewals of a lease only", arguments, end.stdout, err)
		}
		sum += responses
	}
	log, err := target.slowLog()
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(log.Requests)) != sum {
		t.Errorf("the target had %d requests, and the shards %d responses", len(log.Requests), sum)
	}
}

func TestTakeShardFails(t *testing.T) {
	t.Parallel()
	l := testLab(t)
	for _, argv := range [][]string{{"-x"}, {"-worker", "127.0.0.1:1", "-url", "http://127.0.0.1:1/"}} {
		if _, err := l.execute(t.Context(), pinned(anyCPU, append([]string{l.self, takeShardName}, argv...)...), time.Minute); err == nil {
			t.Errorf("take-shard %q has no error", argv)
		}
	}
}

// Workers of one process have a port each; those with a detour go nowhere else.
func TestServeWorkers(t *testing.T) {
	t.Parallel()
	l := testLab(t)
	detour, err := l.startSlow(t.Context(), anyCPU, slowness{})
	if err != nil {
		t.Fatal(err)
	}
	defer detour.abandon()
	workers, err := l.serve(t.Context(), pinned(anyCPU, l.self, "serve-workers", "-n", "3", "-detour", detour.address))
	if err != nil {
		t.Fatal(err)
	}
	defer workers.abandon()
	addresses := strings.Split(workers.address, ",")
	if len(addresses) != 3 || addresses[0] == addresses[1] {
		t.Fatalf("the workers listen on %q, want three addresses", workers.address)
	}
	got, err := takeShardOf(t.Context(), addresses[2], "http://127.0.0.1:1/", 20*time.Millisecond, false)
	if err != nil || got.Responses == 0 || got.Responses != got.Settled {
		t.Errorf("a shard came to %+v, %v, want responses of the detour only", got, err)
	}
	if _, err := workers.stop(); err != nil {
		t.Error(err)
	}
	if _, err := l.serve(t.Context(), pinned(anyCPU, l.self, "serve-workers", "-n", "0")); err == nil {
		t.Error("no workers are no error")
	}
}

func TestTableOfLeases(t *testing.T) {
	t.Parallel()
	l := testLab(t)
	l.seconds = 1
	var all []leaseRound
	for i := range 12 {
		off := shardCost{cpu: 10 * time.Second, requests: 1_000_000, streamed: 1_000_000, length: 20 * time.Second}
		on := off
		on.cpu += time.Duration(i) * 10 * time.Millisecond
		all = append(all, leaseRound{off, on})
	}
	l.tableOfLeases(all)
	text := l.section(part{})
	for _, want := range []string{"|    1.0000 | 1.0000 – 1.0000 |", "|    1.0055 | 1.0020 – 1.0090 |  1.0000 – 1.0110 |", "50,000", "100.0 %", "within 1.0020 – 1.0090 with 96 % confidence"} {
		if !strings.Contains(text, want) {
			t.Errorf("the section has no %q:\n%s", want, text)
		}
	}
}
