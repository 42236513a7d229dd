package secrets

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// canary is in every secret of these tests, and must be in no message.
const canary = "canary"

// environment is the environment of a test.
func environment(name string) (string, bool) {
	value, found := map[string]string{
		"TOKEN": canary + "-token", "OTHER": canary + "-other", "EMPTY": "", "LINES": canary + "\r\nX-Evil: 1", "NUL": canary + "\x00", "BYTES": canary + "\xff",
		"REFERENCE": "${env:TOKEN}", "LONG": strings.Repeat(canary, 20_000),
	}[name]
	return value, found
}

// written is a file with a content.
func written(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func header(value string) *plan.Plan {
	return &plan.Plan{Requests: []plan.Request{{Headers: []plan.Header{{Name: "Authorization", Value: plan.Secret(value)}}}}}
}

func body(text string) *plan.Plan {
	return &plan.Plan{Requests: []plan.Request{{Body: plan.SecretBytes(text)}}}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	file, crlf, lines := written(t, canary+"-file\n"), written(t, canary+"\r\n"), written(t, canary+"\n\n")
	allowed := &Allowed{Env: []string{"TOKEN", "OTHER", "EMPTY", "REFERENCE"}, Files: []string{file, crlf, lines}, LookupEnv: environment}
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "plain $5 ${HOME}", "plain $5 ${HOME}"},
		{"a variable", "Bearer ${env:TOKEN}", "Bearer canary-token"},
		{"an empty one", "a${env:EMPTY}b", "ab"},
		{"a file, without its line's end", "a${file:" + file + "}b", "acanary-fileb"},
		{"a file with Windows' line's end", "${file:" + crlf + "}", "canary"},
		{"another way to write its path", "${file:" + filepath.Dir(file) + "/./../" + filepath.Base(filepath.Dir(file)) + "//secret}", "canary-file"},
		{"several", "${env:TOKEN}${env:OTHER},${env:TOKEN}", "canary-tokencanary-other,canary-token"},
		{"one that stands for text", "$${env:TOKEN} ${env:EMPTY}", "${env:TOKEN} "},
		{"a secret that looks like a reference", "${env:REFERENCE}", "${env:TOKEN}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := header(tt.text)
			p.Requests[0].Body = plan.SecretBytes(tt.text)
			got, violations := allowed.Resolve(p, plan.DefaultCaps())
			if violations != nil {
				t.Fatalf("Resolve = %v, want none", violations)
			}
			r := got.Requests[0]
			bound := tt.text != tt.want
			if string(r.Headers[0].Value) != tt.want || r.Headers[0].Bound != bound || string(r.Body) != tt.want || r.BodyBound != bound {
				t.Errorf("Resolve = header %q (bound: %v), body %q (bound: %v), want %q (%v) as both",
					string(r.Headers[0].Value), r.Headers[0].Bound, string(r.Body), r.BodyBound, tt.want, bound)
			}
			if string(p.Requests[0].Headers[0].Value) != tt.text || string(p.Requests[0].Body) != tt.text {
				t.Error("Resolve has changed the plan that it was given")
			}
		})
	}
	// A header may have one line's end too many for its file to be a secret of it.
	if _, violations := allowed.Resolve(header("${file:"+lines+"}"), plan.DefaultCaps()); len(violations) != 1 {
		t.Errorf("Resolve of a file with two lines' ends = %v, want one violation", violations)
	}
}

// A body that is no text has no references, whatever its bytes happen to be.
func TestBinaryBodiesStay(t *testing.T) {
	t.Parallel()
	p := body("\xff${env:TOKEN}$${env:TOKEN}")
	if got, violations := new(Allowed).Resolve(p, plan.DefaultCaps()); got != p || violations != nil {
		t.Errorf("Resolve = %v, %v, want the plan itself", got, violations)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	missing := filepath.Join(directory, "missing")
	big := written(t, strings.Repeat("c", maxFileBytes+1))
	there := written(t, canary)
	most := written(t, strings.Repeat(canary, maxFileBytes)[:maxFileBytes])
	narrow := &Allowed{Env: []string{"TOKEN", "UNSET", "LINES", "NUL", "BYTES"}, Files: []string{missing, directory, big, "relative", most}, LookupEnv: environment}
	everything := &Allowed{All: true, LookupEnv: environment}
	none := new(Allowed)
	const value, content = "plan.requests[0].headers[0].value", "plan.requests[0].body"
	for _, tt := range []struct {
		name    string
		allowed *Allowed
		plan    *plan.Plan
		field   string
		words   []string
	}{
		{"a variable that is not allowed", narrow, header("${env:OTHER}"), value, []string{`"OTHER"`, "does not allow", `--allow-secret-env "OTHER"`}},
		{"in a body", narrow, body("a ${env:OTHER} b"), content, []string{`"OTHER"`, "--allow-secret-env"}},
		{"a name in another case", narrow, header("${env:token}"), value, []string{`"token"`, "does not allow"}},
		{"nothing is allowed", none, header("${env:TOKEN}"), value, []string{"does not allow"}},
		{"a worker without an environment", &Allowed{All: true}, header("${env:TOKEN}"), value, []string{"is not set"}},
		{"a variable that is not set", narrow, header("${env:UNSET}"), value, []string{`"UNSET"`, "is not set on this worker"}},
		{"a file that is not allowed", narrow, header("${file:" + there + "}"), value, []string{fmt.Sprintf("%.80q", there), "does not allow", "--allow-secret-file"}},
		{"a way out of an allowed directory", narrow, header("${file:" + directory + "/../" + filepath.Base(filepath.Dir(there)) + "/secret}"), value, []string{"does not allow"}},
		{"a relative path", everything, header("${file:relative}"), value, []string{`"relative"`, "not an absolute path"}},
		{"a relative path that is allowed", narrow, header("${file:relative}"), value, []string{"not an absolute path"}},
		{"a file that is not there", narrow, header("${file:" + missing + "}"), value, []string{"cannot read"}},
		{"a directory", narrow, header("${file:" + directory + "}"), value, []string{"not an ordinary file"}},
		{"a file that is too large", narrow, header("${file:" + big + "}"), value, []string{"beyond the cap of 65536 bytes"}},
		{"a line's end", narrow, header("${env:LINES}"), value, []string{`"${env:LINES}"`, "control character"}},
		{"a NUL", narrow, header("a${env:NUL}b"), value, []string{`"${env:NUL}"`, "control character"}},
		{"bytes that are no text", narrow, header("${env:TOKEN}${env:BYTES}"), value, []string{`"${env:TOKEN}" and "${env:BYTES}"`, "UTF-8"}},
		{"too much for a head", narrow, header("${file:" + most + "}"), "plan.requests[0].headers", []string{"bytes of headers", "worker's cap of 65536 (max_head_bytes)"}},
		{"too much for a body", everything, body(strings.Repeat("${env:LONG}", 9)), content, []string{"1080000 bytes", "cap of 1048576 (max_body_bytes)"}},
		{"too much for a plan", everything, body(strings.Repeat("${env:LONG}", 27)), "plan", []string{"cap of 3145728 (max_plan_bytes)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, violations := tt.allowed.Resolve(tt.plan, plan.DefaultCaps())
			found := false
			for _, v := range violations {
				matches := v.Field == tt.field
				for _, word := range tt.words {
					matches = matches && strings.Contains(v.Description, word)
				}
				found = found || matches
			}
			if !found || got != nil {
				t.Errorf("Resolve = %v, %q, want one of %s with %q", got, violations, tt.field, tt.words)
			}
			if strings.Contains(fmt.Sprint(violations), canary) {
				t.Errorf("a violation shows a secret: %q", violations)
			}
		})
	}
}

// Of what is not allowed nobody learns whether it is there.
func TestNotAllowedSaysNothing(t *testing.T) {
	t.Parallel()
	there := written(t, canary)
	missing := there[:len(there)-1] + "x"
	said := map[string]bool{}
	for _, path := range []string{there, missing} {
		_, violations := new(Allowed).Resolve(header("${file:"+path+"}"), plan.DefaultCaps())
		said[strings.ReplaceAll(fmt.Sprint(violations), path, "PATH")] = true
	}
	if len(said) != 1 {
		t.Errorf("what is there and what is not are told apart: %q", slices.Collect(maps.Keys(said)))
	}
}

// A pipe that nobody writes to would hold the call for ever.
func TestPipesAreNotOpened(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such files")
	}
	for _, path := range []string{"/dev/zero", "/dev/stdin"} {
		if _, err := os.Stat(path); err != nil {
			t.Skip(err)
		}
		_, violations := (&Allowed{All: true}).Resolve(header("${file:"+path+"}"), plan.DefaultCaps())
		if len(violations) != 1 || !strings.Contains(violations[0].Description, "ordinary file") && path == "/dev/zero" {
			t.Errorf("Resolve of %s = %v, want it refused", path, violations)
		}
	}
}

// Each secret is read once, so that a file that changes meanwhile is the same in all requests; and each refusal is said once, and
// a plan of thousands does not make a message of thousands.
func TestOnce(t *testing.T) {
	t.Parallel()
	reads := 0
	allowed := &Allowed{All: true, LookupEnv: func(string) (string, bool) {
		reads++
		return fmt.Sprint(reads), true
	}}
	p := header("${env:A}")
	p.Requests = append(p.Requests, header("${env:A}${env:A}").Requests[0])
	got, violations := allowed.Resolve(p, plan.DefaultCaps())
	if violations != nil || reads != 1 || string(got.Requests[1].Headers[0].Value) != "11" {
		t.Errorf("Resolve = %v, %v after %d reads, want one", got, violations, reads)
	}
	p.Requests = nil
	for i := range 5000 {
		p.Requests = append(p.Requests, header("${env:SAME}").Requests[0], body(fmt.Sprintf("${env:%d%s}", i, strings.Repeat("\U0001F600", 200))).Requests[0])
	}
	_, violations = new(Allowed).Resolve(p, plan.DefaultCaps())
	if len(violations) > maxRefused+1 || len(fmt.Sprint(violations)) > 16<<10 {
		t.Errorf("%d violations of %d bytes, want at most %d in 16 KiB", len(violations), len(fmt.Sprint(violations)), maxRefused+1)
	}
	same := 0
	for _, v := range violations {
		same += strings.Count(v.Description, `variable "SAME"`)
	}
	if same != 1 {
		t.Errorf("the same reference is refused %d times, want once", same)
	}
}

// However small the references, what comes of them is bounded before it is made.
func TestManyReferencesAreBounded(t *testing.T) {
	t.Parallel()
	file := written(t, strings.Repeat("c", maxFileBytes))
	allowed := &Allowed{Files: []string{file}}
	p := &plan.Plan{}
	for range 10_000 {
		p.Requests = append(p.Requests, plan.Request{Body: bytes.Repeat([]byte("${file:"+file+"}"), 3)})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, violations := allowed.Resolve(p, plan.DefaultCaps())
	runtime.ReadMemStats(&after)
	if len(violations) != 1 || violations[0].Field != "plan" {
		t.Errorf("Resolve = %v, want one of the plan", violations)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 200<<20 {
		t.Errorf("Resolve took %d MiB, want less than 200", took>>20)
	}
}

// Without references nothing is copied.
func TestPlansWithoutReferencesStay(t *testing.T) {
	t.Parallel()
	p := header("plain")
	got, violations := new(Allowed).Resolve(p, plan.DefaultCaps())
	if got != p || violations != nil {
		t.Errorf("Resolve = %s, %v, want the plan itself", cmp.Diff(p, got), violations)
	}
}
