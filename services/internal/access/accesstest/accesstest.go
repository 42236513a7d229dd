// Package accesstest is callers for tests of who may do what: some with each role, known by their tokens.
package accesstest

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/fanout-load/fanout/services/internal/access"
)

// Callers is ann and bob, who are runners, eve, who is a reader, and root, who is an admin. It is safe for concurrent use.
type Callers struct {
	// Control knows them all, and nobody else.
	Control *access.Control
	tokens  map[string]string
}

// New makes the callers, whose file of tokens is gone at the test's end.
func New(t *testing.T) *Callers {
	t.Helper()
	c := &Callers{tokens: map[string]string{}}
	path := filepath.Join(t.TempDir(), "tokens")
	for name, role := range map[string]access.Role{"ann": access.Runner, "bob": access.Runner, "eve": access.Reader, "root": access.Admin} {
		c.tokens[name] = access.NewToken()
		if err := access.Add(path, access.Entry{Name: name, Role: role, Hash: access.HashOf(c.tokens[name])}); err != nil {
			t.Fatal(err)
		}
	}
	file, err := access.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c.Control = &access.Control{Tokens: file}
	return c
}

// As is a context whose calls are those of the caller with the name.
func (c *Callers) As(ctx context.Context, name string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.tokens[name])
}
