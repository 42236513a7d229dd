package kubernetes

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// helm finds nothing to mend in the chart, with its own values and with each of chart/ci.
func TestLint(t *testing.T) {
	b := newBox(t)
	path, err := filepath.Abs(chart)
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range append([]string{""}, combinations(t)...) {
		args := []string{"lint", "--strict", path}
		if values != "" {
			args = append(args, "-f", values)
		}
		if r := b.helm(t, args...); r.code != 0 || strings.Contains(r.stdout, "[WARNING]") {
			t.Errorf("helm lint %s = exit %d, want nothing to mend:\n%s%s", filepath.Base(values), r.code, r.stdout, r.stderr)
		}
	}
}

// Each combination of values in chart/ci makes objects that the API server takes, without a warning, in a namespace that demands
// restricted pods.
func TestDryRuns(t *testing.T) {
	b := newBox(t)
	path, err := filepath.Abs(chart)
	if err != nil {
		t.Fatal(err)
	}
	if definitions := filepath.Join(path, "ci", "crds"); exists(definitions) {
		b.must(t, "kubectl", "apply", "--server-side", "-f", definitions)
		b.must(t, "kubectl", "wait", "--for=condition=Established", "-f", definitions, "--timeout=60s")
	}
	for _, values := range combinations(t) {
		t.Run(strings.TrimSuffix(filepath.Base(values), "-values.yaml"), func(t *testing.T) {
			rendered := b.must(t, "helm", "-n", space, "template", "tried", path, "-f", values, "--validate")
			ctx, cancel := context.WithTimeout(t.Context(), commandMost)
			defer cancel()
			cmd := b.in(ctx, "kubectl", "-n", space, "create", "--dry-run=server", "-f", "-")
			cmd.Stdin = strings.NewReader(rendered)
			r, err := run(cmd)
			if err != nil {
				t.Fatal(err)
			}
			if r.code != 0 || strings.Contains(r.stderr, "Warning") || strings.Count(r.stdout, "created (server dry run)") < 4 {
				t.Errorf("kubectl create --dry-run=server = exit %d, want all objects taken:\n%s%s", r.code, r.stdout, r.stderr)
			}
		})
	}
}

// combinations are the values of chart/ci.
func combinations(t *testing.T) []string {
	t.Helper()
	path, err := filepath.Abs(chart)
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(path, "ci", "*-values.yaml"))
	if err != nil || len(found) == 0 {
		t.Fatalf("there are no values in chart/ci: %v", err)
	}
	return found
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
