package access

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func nowIs(t time.Time) func() time.Time { return func() time.Time { return t } }

// clock is a clock that the test moves.
type clock struct{ now time.Time }

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file that changes is read again: a token that was removed is refused by the first call a second later, a new one is taken, and what
// cannot be read changes nothing and is said once.
func TestFileIsReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	alice, bob := NewToken(), NewToken()
	of := func(name, token string) string { return name + " runner " + hashText(token) + "\n" }
	write(t, path, of("alice", alice))
	var log bytes.Buffer
	c := &clock{noon}
	f, err := open(path, slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return c.now })
	if err != nil {
		t.Fatal(err)
	}
	want := func(when string, token string, known bool) {
		t.Helper()
		if _, err := (&Control{Tokens: f}).Token(token); (err == nil) != known {
			t.Errorf("%s: a token is known: %v, want %v", when, err == nil, known)
		}
	}
	want("at first", alice, true)
	want("at first", bob, false)

	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, of("bobby", bob)) // of the same size
	if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	want("within the second", alice, true)
	c.pass(recheck)
	want("removed", alice, false)
	want("added", bob, true)

	write(t, path, of("bobby", bob)+"carol "+secret+" cert\n")
	for range 3 {
		c.pass(recheck)
		want("with a file that is wrong", bob, true)
		want("with a file that is wrong", alice, false)
	}
	if n := strings.Count(log.String(), "cannot be used"); n != 1 || !strings.Contains(log.String(), "line 2") || strings.Contains(log.String(), secret) {
		t.Errorf("log = %s, want one line with the number 2 and nothing of the file", log.String())
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c.pass(recheck)
	want("without the file", bob, true)
	write(t, path, "")
	c.pass(recheck)
	want("with an empty file", bob, false)
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	log := slog.New(slog.DiscardHandler)
	if _, err := Open(path, log); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open of no file = %v, want an error with its path", err)
	}
	write(t, path, "\n"+secret)
	if _, err := Open(path, log); err == nil || !strings.Contains(err.Error(), path+", line 2") || strings.Contains(err.Error(), secret) {
		t.Errorf("Open of a wrong file = %v, want its path and line", err)
	}
}

func TestMode(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the mode says nothing here")
	}
	path := filepath.Join(t.TempDir(), "tokens")
	write(t, path, "alice admin cert\n")
	for mode, want := range map[os.FileMode]string{0o600: "", 0o400: "", 0o640: "", 0o604: "others can read", 0o644: "others can read"} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		if _, err := Open(path, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Errorf("Open with mode %o = %v", mode, err)
		}
		if got := log.String(); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("log with mode %o = %q, want %q", mode, got, want)
		}
	}
	for _, mode := range []os.FileMode{0o620, 0o602, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "others can write it") {
			t.Errorf("Open with mode %o = %v, want it refused", mode, err)
		}
	}
}

func TestEdit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	token := NewToken()
	alice := Entry{Name: "alice", Role: Admin, Hash: HashOf(token)}
	if err := Add(path, alice); err != nil {
		t.Fatalf("Add to no file = %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v, want 0600", info.Mode(), err)
	}
	if err := Add(path, Entry{Name: "alice", Role: Reader, Cert: true}); err == nil || !strings.Contains(err.Error(), "alice already") {
		t.Errorf("Add of a name that is there = %v, want it refused", err)
	}
	if err := Add(path, Entry{Name: "a b", Role: Reader, Cert: true}); err == nil {
		t.Error("Add of no name = no error")
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), token) {
		t.Errorf("the file = %q, %v, want no token in it", text, err)
	}
	write(t, path, "# mine\n"+string(text)+"eve reader cert") // without a line's end
	if err := Add(path, Entry{Name: "bob", Role: Runner, Cert: true}); err != nil {
		t.Errorf("Add = %v", err)
	}
	if err := Remove(path, "eve"); err != nil {
		t.Errorf("Remove = %v", err)
	}
	if err := Remove(path, "eve"); err == nil || !strings.Contains(err.Error(), "eve") {
		t.Errorf("Remove of what is not there = %v, want an error", err)
	}
	text, err = os.ReadFile(path)
	if want := "# mine\n" + alice.String() + "\nbob runner cert\n"; string(text) != want || err != nil {
		t.Errorf("the file = %q, %v, want %q", text, err, want)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the file = %v, %v, want nothing", left, err)
	}
	write(t, path, secret)
	for call, err := range map[string]error{"Add": Add(path, alice), "Remove": Remove(path, "alice")} {
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s with a wrong file = %v, want an error that does not quote it", call, err)
		}
	}
	if list, err := ReadList(path); err == nil {
		t.Errorf("ReadList of a wrong file = %v, want an error", list)
	}
}
