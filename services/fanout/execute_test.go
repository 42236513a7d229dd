package main

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
)

// Whatever is wrong with a command line ends with 2 and one sentence that names the flag and the value, before anything is
// sent.
func TestUsage(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	url := o.URL() + "/ok"
	_, certFile, keyFile := identityFiles(t)
	_, _, otherKeyFile := identityFiles(t)
	for _, tt := range []struct {
		name string
		args []string
		want []string // in the sentence
	}{
		{"an unknown command", []string{"walk"}, []string{`"walk"`}},
		{"an unknown flag", []string{"run", "--http9", url}, []string{"--http9"}},
		{"an unknown short flag", []string{"run", "-Y", url}, []string{"'Y'"}},
		{"no URL", []string{"run"}, []string{"URL"}},
		{"two URLs", []string{"run", url, url}, []string{"URL"}},
		{"call without a URL", []string{"call"}, []string{"URL"}},
		{"version of something", []string{"version", "x"}, []string{`"x"`}},
		{"a URL of another scheme", []string{"run", "ftp://a.test/"}, []string{"requests[0].url", "ftp"}},
		{"a URL without a host", []string{"run", "http://"}, []string{"requests[0].url", "http://"}},
		{"an empty URL", []string{"run", ""}, []string{"requests[0].url"}},
		{"the second URL of a call", []string{"call", url, "ftp://a.test/"}, []string{"requests[1].url", "ftp"}},

		{"no requests", []string{"run", "-n", "0", url}, []string{"-n", "0"}},
		{"less than no requests", []string{"run", "-n", "-5", url}, []string{"-n", "-5"}},
		{"requests that overflow", []string{"run", "-n", "9223372036854775808", url}, []string{"-n", "9223372036854775808"}},
		{"requests that are no number", []string{"run", "-n", "1.5", url}, []string{"-n", `"1.5"`}},
		{"no senders", []string{"run", "-c", "0", url}, []string{"-c", "0"}},
		{"less than no senders", []string{"run", "-c", "-1", url}, []string{"-c", "-1"}},
		{"no rate", []string{"run", "-q", "0", url}, []string{"-q", "0"}},
		{"less than no rate", []string{"run", "-q", "-0.5", url}, []string{"-q", "-0.5"}},
		{"a rate that is no number", []string{"run", "-q", "NaN", url}, []string{"-q", "NaN"}},
		{"an infinite rate", []string{"run", "-q", "+Inf", url}, []string{"-q", "Inf"}},
		{"a rate that overflows", []string{"run", "-q", "1e999", url}, []string{"-q", "1e999"}},
		{"no time", []string{"run", "-z", "0", url}, []string{"-z", "0"}},
		{"less than no time", []string{"run", "-z", "-1m", url}, []string{"-z", "-1m"}},
		{"a time that is none", []string{"run", "-z", "NaN", url}, []string{"-z", "NaN"}},
		{"a time that overflows", []string{"run", "-z", "1e300", url}, []string{"-z", "1e300"}},
		{"no timeout", []string{"run", "-t", "0", url}, []string{"-t", "0"}},
		{"an unknown detail", []string{"run", "--detail", "some", url}, []string{"--detail", `"some"`, "every or tally-only"}},
		{"an unknown way with a slow stream", []string{"call", "--slow-stream", "FOLD", url}, []string{"--slow-stream", `"FOLD"`, "wait or fold"}},
		{"an unknown engine", []string{"run", "--engine", "http2", url}, []string{"--engine", `"http2"`, "http1 or std"}},
		{"no engine", []string{"call", "--engine", "", url}, []string{"--engine", `""`, "http1 or std"}},
		{"connections without requests", []string{"run", "--requests-per-connection", "0", url}, []string{"--requests-per-connection", "0", "at least 1"}},
		{"connections with too many requests", []string{"run", "--requests-per-connection", "1000000001", url}, []string{"plan.http.requests_per_connection", "1000000001"}},
		{"no time for the first byte", []string{"run", "--first-byte-timeout", "-1s", url}, []string{"--first-byte-timeout", "-1s"}},
		{"a certificate without its key", []string{"run", "--cert", certFile, url}, []string{"--cert", certFile, "--key"}},
		{"a key without its certificate", []string{"run", "--key", keyFile, url}, []string{"--key", keyFile, "--cert"}},
		{"a certificate that is not there", []string{"run", "--cert", "/none", "--key", keyFile, url}, []string{"--cert", "/none"}},
		{"a key that is not there", []string{"call", "--cert", certFile, "--key", "/none", url}, []string{"--key", "/none"}},
		{"a certificate and another's key", []string{"run", "--cert", certFile, "--key", otherKeyFile, url}, []string{certFile, otherKeyFile, "belong together"}},
		{"a certificate and its key, the wrong way round", []string{"run", "--cert", keyFile, "--key", certFile, url}, []string{certFile, keyFile, "belong together"}},
		{"a key that is none", []string{"run", "--cert", certFile, "--key", tempFile(t, "canary"), url}, []string{"--key", "belong together"}},
		{"a header without a colon", []string{"run", "-H", "oops", url}, []string{"-H", "header 1 of 4 bytes"}},
		{"a label without a value", []string{"run", "--label", "oops", url}, []string{"--label", `"oops"`}},
		{"workers and a coordinator", []string{"run", "--workers", "a:1", "--coordinator", "b:1", url}, []string{"--workers", "--coordinator"}},
		{"a worker without a port", []string{"run", "--workers", "a", url}, []string{"--workers", `"a"`}},
		{"a worker twice", []string{"run", "--workers", "a:1,a:1", url}, []string{"--workers", `"a:1"`}},
		{"output", []string{"run", "-o", "xml", url}, []string{"-o", `"xml"`}},
		{"output of a call", []string{"call", "-o", "xml", url}, []string{"-o", `"xml"`}},
		{"no requests of a call", []string{"call", "-n", "0", url}, []string{"-n", "0"}},
		{"no senders of a call", []string{"call", "-c", "0", url}, []string{"-c", "0"}},
		{"a stage without a rate", []string{"run", "--stage", "10s", url}, []string{"--stage", `"10s"`, "10s:100"}},
		{"a stage without a duration", []string{"run", "--stage", ":100", url}, []string{"--stage", `":100"`, "10s"}},
		{"a stage of no time", []string{"run", "--stage", "0s:100", url}, []string{"--stage", `"0s:100"`, "more than 0"}},
		{"a stage of less than no time", []string{"run", "--stage=-1s:100", url}, []string{"--stage", `"-1s:100"`, "more than 0"}},
		{"a stage that is too long", []string{"run", "--stage", "99999999h:100", url}, []string{"--stage", "99999999h", "out of range"}},
		{"a stage with a word for a rate", []string{"run", "--stage", "10s:fast", url}, []string{"--stage", `"fast"`, "is not a rate"}},
		{"a stage with less than no rate", []string{"run", "--stage", "10s:-1", url}, []string{"--stage", `"-1"`, "is not a rate"}},
		{"a stage with a rate that is no number", []string{"run", "--stage", "10s:NaN", url}, []string{"--stage", `"NaN"`, "is not a rate"}},
		{"a ramp to infinity", []string{"run", "--stage", "10s:1..Inf", url}, []string{"--stage", `"Inf"`, "is not a rate"}},
		{"a ramp to NaN", []string{"run", "--stage", "10s:1..NaN", url}, []string{"--stage", `"NaN"`, "is not a rate"}},
		{"a ramp to nowhere", []string{"run", "--stage", "10s:1..", url}, []string{"--stage", `""`, "is not a rate"}},
		{"a ramp with three rates", []string{"run", "--stage", "10s:1..2..3", url}, []string{"--stage", `"2..3"`, "is not a rate"}},
		{"a stage beyond the cap", []string{"run", "--stage", "10s:1..2000000", url}, []string{"plan.load.open_loop.stages[0].end_rate_per_second", "2000000", "cap of 1000000"}},
		{"stages that send nothing", []string{"run", "--stage", "10s:0", "--stage", "5s:0..0", url}, []string{"--stage 10s:0, 5s:0..0", "more than 0"}},
		{"stages that send nothing in time", []string{"run", "--stage", "10s:0", "--stage", "5s:1", "-z", "5s", url}, []string{"plan.load.open_loop.stages", "0 slots", "within 5s"}},
		{"a rate and a stage", []string{"run", "-q", "5", "--stage", "10s:1", url}, []string{"-q 5", "--stage"}},
		{"random without a rate", []string{"run", "--poisson", "-c", "5", url}, []string{"--poisson", "-q or --stage"}},
		{"a seed without random", []string{"run", "--seed", "5", "-q", "5", url}, []string{"--seed 5", "--poisson"}},
		{"a seed that is no number", []string{"run", "--seed", "x", "--poisson", "-q", "5", url}, []string{"--seed", `"x"`}},
		{"patience without a rate", []string{"run", "--max-lateness", "5s", "-c", "5", url}, []string{"--max-lateness 5s", "-q or --stage"}},
		{"no patience", []string{"run", "--max-lateness", "0", "-q", "5", url}, []string{"--max-lateness 0", "more than 0"}},
		{"less than no patience", []string{"run", "--max-lateness=-1s", "-q", "5", url}, []string{"--max-lateness -1s", "more than 0"}},
		{"patience that is none", []string{"run", "--max-lateness", "long", "-q", "5", url}, []string{"--max-lateness", `"long"`}},
		{"patience beyond the cap", []string{"run", "--max-lateness", "48h", "-q", "5", url}, []string{"plan.load.open_loop.max_lateness", "48h", "cap of 24h"}},
		{"a plan beyond a cap", []string{"run", "-q", "1000000", "-z", "24h", url}, []string{"plan.load", "10000000000"}},
		{"a coordinator without workers", []string{"coordinator"}, []string{"--workers"}},
		{"another way with a lost worker", []string{"run", "--on-worker-loss", "ignore", url}, []string{"--on-worker-loss", `"ignore"`, "reassign or continue or fail"}},
		{"no way with a lost worker", []string{"run", "--on-worker-loss", "", url}, []string{"--on-worker-loss", `""`, "reassign or continue or fail"}},
		{"a store and a coordinator", []string{"run", "--store", "x.db", "--coordinator", "b:1", url}, []string{"--store", "--coordinator", "exclude"}},
		{"a run's store that is not set", []string{"run", "--store", "", url}, []string{"--store", `""`, "memory"}},
		{"a coordinator's store that is not set", []string{"coordinator", "--workers", "a:1", "--store", ""}, []string{"--store", `""`, "memory"}},
		{"no runs to keep", []string{"coordinator", "--workers", "a:1", "--keep-runs", "0"}, []string{"--keep-runs", "0", "at least 1"}},
		{"runs to keep that are no number", []string{"coordinator", "--workers", "a:1", "--keep-runs", "all"}, []string{"--keep-runs", `"all"`}},
		{"a state directory that is not set", []string{"worker", "--state-dir", ""}, []string{"--state-dir", `""`, "none"}},
		{"runs of nothing", []string{"runs", "bogus"}, []string{`"bogus"`, "fanout runs"}},
		{"no run to show", []string{"runs", "show"}, []string{"fanout runs show", "ID"}},
		{"two runs to watch", []string{"runs", "watch", "r-1", "r-2"}, []string{"fanout runs watch", "r-2"}},
		{"no run to cancel", []string{"runs", "cancel", ""}, []string{"fanout runs cancel", `""`}},
		{"runs beside the list", []string{"runs", "list", "r-1"}, []string{`"r-1"`}},
		{"no runs to list", []string{"runs", "list", "--limit", "0"}, []string{"--limit", "0", "at least 1"}},
		{"output of a list", []string{"runs", "list", "-o", "xml"}, []string{"-o", `"xml"`}},
		{"output of checks", []string{"runs", "verify", "-o", "xml", "r-1"}, []string{"-o", `"xml"`}},
		{"runs of a coordinator without a port", []string{"runs", "list", "--coordinator", "a"}, []string{"--coordinator", `"a"`}},
		{"runs of a store and a coordinator", []string{"runs", "show", "--store", "x.db", "--coordinator", "a:1", "r-1"}, []string{"--store", "--coordinator", "exclude"}},
		{"runs of a store in memory", []string{"runs", "verify", "--store", "memory", "r-1"}, []string{"--store", `"memory"`, "no file"}},
		{"a run of a store to watch", []string{"runs", "watch", "--store", "x.db", "r-1"}, []string{"--store"}},
		{"a coordinator with a bad one", []string{"coordinator", "--workers", "dns:///a"}, []string{"--workers", `"dns:///a"`}},
		{"a name that is not UTF-8", []string{"run", "--name", "\xff", url}, []string{"--name", `"\xff"`, "UTF-8"}},
		{"a header that is not UTF-8", []string{"run", "-H", "A: \xff", url}, []string{"-H", "UTF-8"}},
		{"a header with a line's end", []string{"run", "-H", "A: b\r\n", url}, []string{"plan.requests[0].headers[0].value"}},
		{"a header's name with a line's end", []string{"run", "-H", "A\r\n: b", url}, []string{"plan.requests[0].headers[0].name"}},
		{"requests in floating point", []string{"run", "-n", "1e3", url}, []string{"-n", `"1e3"`, "is not a whole number"}},
		{"a rate that is a word", []string{"run", "-q", "fast", url}, []string{"-q", `"fast"`, "is not a number"}},
		{"a time beyond all", []string{"run", "-z", "99999999h", url}, []string{"-z", "99999999h", "out of range"}},
		{"a timeout of less than a nanosecond", []string{"run", "-t", "1e-12", url}, []string{"-t", "1e-12"}},
		{"authorities that are none", []string{"run", "--cacert", tempFile(t, "PEM"), url}, []string{"--cacert", "PEM"}},
		{"no authorities", []string{"run", "--cacert", tempFile(t, ""), url}, []string{"--cacert", "PEM"}},
		{"workers that are not set", []string{"run", "--workers", "", url}, []string{"--workers"}},
		{"a coordinator that is not set", []string{"run", "--coordinator", "", url}, []string{"--coordinator", `""`}},
		{"a coordinator without a port", []string{"run", "--coordinator", "a", url}, []string{"--coordinator", `"a"`}},
		{"a coordinator's port beyond all", []string{"run", "--coordinator", "a:99999", url}, []string{"--coordinator", "99999"}},
		{"a worker's port beyond all", []string{"run", "--workers", "a:99999", url}, []string{"--workers", "99999"}},
		{"the worker of a call that is not set", []string{"call", "--worker", "", url}, []string{"--worker", `""`}},
		{"a mail address", []string{"run", "mailto:a@b.test"}, []string{"plan.requests[0].url", "redacted@b.test"}},
		{"fewer requests than URLs", []string{"call", "-n", "1", url, url}, []string{"-n 1", "2 URLs"}},
		{"an unknown shell", []string{"completion", "tcsh"}, []string{`"tcsh"`}},
		{"no shell", []string{"completion"}, []string{"bash"}},
		{"help on nothing", []string{"help", "bogus"}, []string{`"bogus"`}},
		{"a worker for everyone", []string{"worker", "--listen", "0.0.0.0:0"}, []string{"--listen", "0.0.0.0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := command(t, tt.args...)
			sentence := firstLine(got.err)
			if got.code != exitUsage || got.out != "" || !strings.HasPrefix(sentence, "fanout: ") {
				t.Errorf("fanout %q = exit %d, %q, %q, want 2, nothing, and a sentence", tt.args, got.code, got.out, got.err)
			}
			for _, want := range tt.want {
				if !strings.Contains(sentence, want) {
					t.Errorf("fanout %q = %q, want %q in it", tt.args, sentence, want)
				}
			}
		})
	}
	t.Cleanup(func() {
		if n := o.Ledger().Total(); n != 0 {
			t.Errorf("the target saw %d requests, want none", n)
		}
	})
}

// A target that is down is a run that failed, not an error; its report is whole.
func TestTargetDown(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"run", []string{"run", "-n", "7", "-c", "2"}},
		{"call", []string{"call", "-n", "7"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := command(t, append(tt.args, closedPort(t))...)
			if got.code != exitFailed || !strings.Contains(got.out, "DIAL_REFUSED") || strings.Contains(got.err, "fanout: ") {
				t.Errorf("fanout %s = exit %d, %q, %q, want 99, DIAL_REFUSED, no error", tt.name, got.code, got.out, got.err)
			}
		})
	}
}

func TestReports(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	got := command(t, "run", "-n", "12", "-c", "3", "--name", "nightly", "--label", "a=b=c", "-o", "json", o.URL()+"/ok")
	var r struct {
		Verdict, Name string
		Labels        map[string]string
		Counts        struct{ Planned, Responses int }
	}
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.code != exitPassed {
		t.Fatalf("fanout run = exit %d, %v, %q, want 0 and JSON", got.code, err, got.err)
	}
	if r.Verdict != "PASSED" || r.Name != "nightly" || r.Labels["a"] != "b=c" || r.Counts.Planned != 12 || r.Counts.Responses != 12 {
		t.Errorf("fanout run = %+v, want PASSED, its name and label, 12 responses", r)
	}
	if got := command(t, "run", o.URL()+"/ok"); got.code != exitPassed || !strings.Contains(got.out, "PASSED") {
		t.Errorf("fanout run = exit %d, %q, %q, want 0 and PASSED", got.code, got.out, got.err)
	}
	if got := command(t, "call", o.URL()+"/bytes/7", o.URL()+"/status/404"); got.code != exitPassed || !strings.Contains(got.out, "xxxxxxx") {
		t.Errorf("fanout call = exit %d, %q, %q, want 0 and a body", got.code, got.out, got.err)
	}
	if n := o.Ledger().Total(); n != 12+1+2 {
		t.Errorf("the target saw %d requests, want 15", n)
	}
}

// Answers that cannot be written are an error.
func TestOutputThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	for _, name := range []string{"run", "call"} {
		out, errs := emptyFile(t, "out"), emptyFile(t, "err")
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		code := execute(t.Context(), []string{name, o.URL() + "/ok"}, stdio{out: out, err: errs})
		if got := content(t, errs); code != exitFailure || !strings.Contains(got, "fanout: ") {
			t.Errorf("fanout %s = exit %d, %q, want 1 and a sentence", name, code, got)
		}
		if err := errs.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What asks for help or about the program ends with 0.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string // in standard output
	}{
		{nil, "Available Commands"},
		{[]string{"--help"}, "fanout demo"},
		{[]string{"run", "--help"}, "--concurrency"},
		{[]string{"runs"}, "fanout runs list"},
		{[]string{"runs", "verify", "--help"}, "--store"},
		{[]string{"version"}, "fanout " + version + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + "\n"},
		{[]string{"completion", "bash"}, "bash completion"},
		{[]string{"completion", "zsh"}, "#compdef fanout"},
		{[]string{"completion", "fish"}, "fish completion"},
		{[]string{"completion", "powershell"}, "Register-ArgumentCompleter"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			if got := command(t, tt.args...); got.code != exitPassed || !strings.Contains(got.out, tt.want) || got.err != "" {
				t.Errorf("fanout %q = exit %d, %.200q, %q, want 0 and %q", tt.args, got.code, got.out, got.err, tt.want)
			}
		})
	}
}
