package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"
)

// A store of the first version is brought up to date: its runs and its request_ids belong to nobody who was asked for a name.
func TestAStoreWithoutCreators(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fanout.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := newProvider(db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	rawExec(t, path, `PRAGMA application_id = 0x66616e6f;
		INSERT INTO runs (id, request_id, request_hash, created, next_slot, given_up, cancelled) VALUES ('run-1', 'request-1', 'hash-1', 1, 0, 0, '');
		INSERT INTO requests (place, request_id, run_id, hash, created) VALUES (5, 'request-1', 'run-1', 'hash-1', 1);`)
	_, err = OpenReadOnly(t.Context(), path)
	wantError(t, "OpenReadOnly", err, ErrReadOnly, path, "version 1", "version 2")

	s := beginWith(t, func(ctx context.Context) (Store, error) { return OpenSQLite(ctx, path, Options{}) })
	if got := find(t, s, "run-1"); got.Creator != "" || got.RequestID != "request-1" {
		t.Errorf("Find = %+v, want the run, of nobody", got.Head)
	}
	if run, hash, ok, err := s.Request(t.Context(), "", "request-1", time.Time{}); run != "run-1" || hash != "hash-1" || !ok || err != nil {
		t.Errorf("Request = %q, %q, %v, %v, want run-1", run, hash, ok, err)
	}
	run := head(2)
	run.RequestID = "request-1"
	create(t, s, run)
	if got, _, _, err := s.Request(t.Context(), creator, "request-1", time.Time{}); got != run.ID || err != nil {
		t.Errorf("Request of another = %q, %v, want %s", got, err, run.ID)
	}
}
