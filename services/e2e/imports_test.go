package e2e

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fanout-load/fanout/"

// The way of the data is one street: who may import whom is written here and nowhere else.
func TestImportDirection(t *testing.T) {
	t.Parallel()
	protoUsers := []string{
		"services/internal/wire", "services/worker", "services/coordinator", "services/client", "services/embedded",
		"services/worker/internal/batch", "services/coordinator/internal/dispatch", "services/e2e", "services/bench",
	}
	grpcUsers := slices.Concat(protoUsers, []string{
		"services/internal/rpcerr", "services/internal/grpcserve", "services/internal/grpcdial",
		"services/internal/grpctls", "services/internal/access/accesstest", "services/internal/metrics",
	})
	pure := []string{"plan", "schedule", "outcome", "tally", "histogram", "run"}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range p.Imports {
			local := strings.TrimPrefix(imported, module)
			switch {
			case strings.HasPrefix(local, "gen/") && !slices.Contains(protoUsers, name):
				t.Errorf("%s imports %s: only package wire and the faces of the services see proto", name, local)
			case strings.HasPrefix(imported, "google.golang.org/grpc") && !slices.Contains(grpcUsers, name):
				t.Errorf("%s imports %s", name, imported)
			case strings.HasPrefix(imported, "github.com/prometheus/") && !strings.HasPrefix(name, "services/internal/metrics"):
				t.Errorf("%s imports %s: only package metrics knows how figures are shown", name, imported)
			case strings.HasPrefix(name, "services/internal/") && strings.HasPrefix(local, "services/") && !strings.HasPrefix(local, "services/internal/"):
				t.Errorf("%s imports %s: what is shared knows no service", name, local)
			case strings.HasPrefix(local, "services/worker") && strings.HasPrefix(name, "services/coordinator"),
				strings.HasPrefix(local, "services/coordinator") && strings.HasPrefix(name, "services/worker"):
				t.Errorf("%s imports %s: only package embedded has both", name, local)
			case slices.Contains(pure, strings.TrimPrefix(name, "services/internal/")) && (imported == "net" || imported == "net/http" || imported == "context"):
				t.Errorf("%s imports %s: it is pure", name, imported)
			}
		}
	}
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// packages is the packages of the services; tests may import what they like.
func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"services/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p goPackage
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 20 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}
