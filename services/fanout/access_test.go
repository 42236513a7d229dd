package main

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

// A token is printed once, its hash is kept, and the file can be read by its owner alone.
func TestTokens(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	added := command(t, "tokens", "add", "--file", path, "--name", "ann", "--role", "runner")
	token := strings.TrimSpace(added.out)
	if added.code != exitPassed || !strings.HasPrefix(token, "fanout_") || len(token) != 59 || added.err != "" {
		t.Fatalf("tokens add = %+v, want a token", added)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), token) || !strings.HasPrefix(string(text), "ann runner sha256:") {
		t.Errorf("the file = %q, %v, want ann's line, with a hash", text, err)
	}
	if got := command(t, "tokens", "add", "--file", path, "--name", "boss.test", "--role", "admin", "--cert"); got.code != exitPassed || got.out != "" {
		t.Errorf("tokens add --cert = %+v, want nothing printed", got)
	}
	if got := command(t, "tokens", "list", "--file", path); got.out != "ann        runner  token\nboss.test  admin   certificate\n" {
		t.Errorf("tokens list = %+v", got)
	}
	var list struct {
		Callers []struct{ Name, Role, By string }
	}
	got := command(t, "tokens", "list", "--file", path, "-o", "json")
	if err := json.Unmarshal([]byte(got.out), &list); err != nil || len(list.Callers) != 2 || list.Callers[1].By != "certificate" {
		t.Errorf("tokens list -o json = %q, %v", got.out, err)
	}
	for _, tt := range []struct {
		args []string
		code exitCode
		text string
	}{
		{[]string{"add", "--file", path, "--name", "ann", "--role", "admin"}, exitFailure, "has the name ann already"},
		{[]string{"add", "--file", path, "--name", "a b", "--role", "admin"}, exitUsage, `--name "a b" is no name`},
		{[]string{"add", "--file", path, "--name", "bob", "--role", "root"}, exitUsage, `--role "root" is not reader, runner or admin`},
		{[]string{"add", "--file", path, "--name", "bob"}, exitUsage, "--role"},
		{[]string{"add", "--name", "bob", "--role", "admin"}, exitUsage, "--file"},
		{[]string{"remove", "--file", path, "--name", "bob"}, exitFailure, `has no name "bob"`},
		{[]string{"list", "--file", path + "-none"}, exitFailure, path + "-none"},
	} {
		got := command(t, append([]string{"tokens"}, tt.args...)...)
		if got.code != tt.code || !strings.Contains(got.err, tt.text) || strings.Count(got.err, "\n") != 1 || got.out != "" {
			t.Errorf("tokens %q = %+v, want exit %d and one line with %q", tt.args, got, tt.code, tt.text)
		}
	}
	if got := command(t, "tokens", "remove", "--file", path, "--name", "ann"); got.code != exitPassed {
		t.Errorf("tokens remove = %+v", got)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "boss.test admin cert\n" {
		t.Errorf("the file = %q, %v, want ann gone", text, err)
	}
}

// tokensFile is a file of tokens with one line.
func tokensFile(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "tokens")
	if got := command(t, "tokens", "add", "--file", path, "--name", "ann", "--role", "runner"); got.code != exitPassed {
		t.Fatal(got)
	}
	return path
}

// A service with --token-file takes nobody who shows no token.
func TestServicesWithATokenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	if got := command(t, "tokens", "add", "--file", path, "--name", "ann", "--role", "admin"); got.code != exitPassed {
		t.Fatal(got)
	}
	w := start(t, "worker", "--token-file", path)
	c := start(t, "coordinator", "--token-file", path, "--workers", w.address)
	for _, args := range [][]string{
		{"call", "--worker", w.address, closedPort(t)},
		{"run", "--coordinator", c.address, closedPort(t)},
		{"runs", "list", "--coordinator", c.address},
		{"stop-all", "--worker", w.address},
		{"stop-all", "--coordinator", c.address},
	} {
		if got := command(t, args...); got.code != exitFailure || !strings.Contains(got.err, "does not know you") || strings.Contains(got.err, "start it with") || strings.Contains(got.err, "rpc error") {
			t.Errorf("fanout %q = %+v, want it refused", args, got)
		}
	}
	conn, err := grpcdial.New(c.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, _, err := client.NewCoordinator(conn).List(t.Context(), 1, ""); !strings.Contains(rpcerr.Text(err), "authorization: Bearer TOKEN") {
		t.Errorf("List = %v, want it to say what to send", err)
	}
}

// The command as three callers, the coordinator as a fourth: a run is its creator's from the shell too.
func TestRunAsNamedCallers(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	path := filepath.Join(t.TempDir(), "tokens")
	tokens := map[string]string{}
	for name, role := range map[string]string{"ann": "runner", "bob": "runner", "root": "admin", "coordinator": "runner"} {
		tokens[name] = tempFile(t, command(t, "tokens", "add", "--file", path, "--name", name, "--role", role).out)
	}
	w := start(t, "worker", "--token-file", path)
	c := start(t, "coordinator", "--token-file", path, "--worker-token-file", tokens["coordinator"], "--workers", w.address)
	as := func(name string, args ...string) []string {
		return append(args, "--coordinator", c.address, "--token-file", tokens[name])
	}
	ended := begin(t.Context(), t, as("ann", "run", "-c", "1", "-z", "60", o.URL()+"/delay/10ms")...)
	eventually(t, "requests", func() bool { return o.Ledger().Total() > 5 })
	var list struct {
		Runs []struct{ ID, Creator string }
	}
	got := command(t, as("bob", "runs", "list", "-o", "json")...)
	if err := json.Unmarshal([]byte(got.out), &list); err != nil || len(list.Runs) != 1 || list.Runs[0].Creator != "ann" {
		t.Fatalf("runs list as bob = %+v, %v, want ann's run", got, err)
	}
	if got := command(t, as("bob", "runs", "cancel", list.Runs[0].ID)...); got.code != exitFailure || !strings.Contains(got.err, "created by ann, and you are bob") {
		t.Errorf("runs cancel as bob = %+v, want it refused", got)
	}
	if got := command(t, as("ann", "stop-all")...); got.code != exitFailure || !strings.Contains(got.err, "ann has the role runner") {
		t.Errorf("stop-all as ann = %+v, want it refused", got)
	}
	if got := command(t, as("root", "stop-all")...); got.code != exitPassed || !strings.Contains(got.out, "1 run stopped") {
		t.Errorf("stop-all as root = %+v, want one run", got)
	}
	if got := ended(); got.code != exitCancelled || !strings.Contains(got.out, "cancelled by StopAll of root") || !strings.Contains(got.out, "created by ann") {
		t.Errorf("fanout run = %+v, want ann's run cancelled by StopAll of root", got)
	}
}

func TestAccessFlags(t *testing.T) {
	t.Parallel()
	wrong := tempFile(t, "ann runner canary\n")
	for _, tt := range []struct {
		args []string
		text string
	}{
		{[]string{"worker", "--listen", "127.0.0.1:0", "--token-file", wrong}, wrong + ", line 1"},
		{[]string{"worker", "--listen", "127.0.0.1:0", "--token-file", wrong + "-none"}, wrong + "-none"},
		{[]string{"worker", "--listen", "127.0.0.1:0", "--cert-role", "root"}, `--cert-role "root" is not reader, runner, admin or none`},
		{[]string{"worker", "--listen", "127.0.0.1:0", "--max-calls-per-subject", "0"}, "--max-calls-per-subject 0 is less than 1"},
		{[]string{"coordinator", "--workers", "a:1", "--listen", "127.0.0.1:0", "--token-file", wrong}, wrong + ", line 1"},
		{[]string{"coordinator", "--workers", "a:1", "--listen", "127.0.0.1:0", "--cert-role", "root"}, "--cert-role"},
		{[]string{"coordinator", "--workers", "a:1", "--listen", "127.0.0.1:0", "--max-runs-per-subject", "-1"}, "--max-runs-per-subject -1 is less than 1"},
	} {
		got := command(t, tt.args...)
		if got.code != exitUsage || !strings.Contains(got.err, tt.text) || strings.Contains(got.err, "canary") || strings.Count(got.err, "\n") != 1 {
			t.Errorf("fanout %q = %+v, want exit 2 and one line with %q", tt.args, got, tt.text)
		}
	}
	good := tempFile(t, "")
	for _, tt := range []struct {
		flags        accessFlags
		certificates bool
		want         bool // access control
	}{
		{accessFlags{certRole: "runner"}, false, false},
		{accessFlags{certRole: "none"}, true, true},
		{accessFlags{certRole: "runner", tokenFile: good}, false, true},
		{accessFlags{certRole: "runner", tokenFile: good}, true, true},
	} {
		got, err := tt.flags.control(slog.New(slog.DiscardHandler), tt.certificates)
		if err != nil || (got != nil) != tt.want {
			t.Errorf("control of %+v, certificates %v = %v, %v, want one: %v", tt.flags, tt.certificates, got, err, tt.want)
		}
	}
}

// stop-all ends what goes on, and says how many.
func TestStopAll(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	w := start(t, "worker")
	c := start(t, "coordinator", "--workers", w.address)
	ended := begin(t.Context(), t, "run", "--coordinator", c.address, "-c", "2", "-z", "60", o.URL()+"/delay/10ms")
	eventually(t, "requests", func() bool { return o.Ledger().Total() > 5 })
	if got := command(t, "stop-all", "--coordinator", c.address); got.code != exitPassed || got.out != "coordinator "+c.address+": 1 run stopped\n" {
		t.Errorf("stop-all --coordinator = %+v, want one run", got)
	}
	if got := ended(); got.code != exitCancelled || !strings.Contains(got.out, "the run was cancelled by StopAll") {
		t.Errorf("fanout run = %+v, want it cancelled by StopAll", got)
	}
	before := o.Ledger().Total()
	called := begin(t.Context(), t, "call", "--worker", w.address, "-n", "10000", "-c", "2", o.URL()+"/delay/10ms")
	eventually(t, "requests", func() bool { return o.Ledger().Total() > before+5 })
	if got := command(t, "stop-all", "--worker", w.address); got.code != exitPassed || got.out != "worker "+w.address+": 1 call stopped\n" {
		t.Errorf("stop-all --worker = %+v, want one call", got)
	}
	called()
	if got := command(t, "stop-all", "--worker", w.address); got.out != "worker "+w.address+": 0 calls stopped\n" {
		t.Errorf("stop-all --worker of nothing = %+v", got)
	}
	for _, args := range [][]string{nil, {"--worker", "a:1", "--coordinator", "b:1"}, {"--worker", "a"}} {
		if got := command(t, append([]string{"stop-all"}, args...)...); got.code != exitUsage {
			t.Errorf("stop-all %q = %+v, want exit 2", args, got)
		}
	}
}
