package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// applicationID marks an SQLite file as a store of fanout: "fano".
const applicationID = 0x66616e6f

//go:embed migrations/*.sql
var migrations embed.FS

// schema is what a file says of its tables.
type schema struct {
	application int64
	tables      int64
	version     int64 // the newest migration; 0: none
}

// migrate brings the tables of the file up to date. It leaves the files of other and of newer programs alone.
func migrate(ctx context.Context, db *sql.DB, path string) error {
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	found, err := readSchema(ctx, db)
	if err != nil {
		return err
	}
	if err := found.check(path, newest(provider)); err != nil {
		return err
	}
	if found.version == newest(provider) {
		return nil
	}
	if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate from version %d: %w", found.version, err)
	}
	return nil
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
}

// newest is the version that this program knows.
func newest(provider *goose.Provider) int64 {
	sources := provider.ListSources()
	return sources[len(sources)-1].Version
}

// readSchema changes nothing, not even in an empty file.
func readSchema(ctx context.Context, db *sql.DB) (schema, error) {
	var s schema
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&s.application); err != nil {
		return s, err
	}
	var versions int64
	err := db.QueryRowContext(ctx, "SELECT count(*), count(*) FILTER (WHERE name = ?) FROM sqlite_schema",
		goose.DefaultTablename).Scan(&s.tables, &versions)
	if err != nil || versions == 0 {
		return s, err
	}
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+goose.DefaultTablename).Scan(&s.version)
	return s, err
}

// check fails if the file is not a store, or a newer one.
func (s schema) check(path string, newest int64) error {
	if s.tables > 0 && s.application != applicationID {
		return failed(ErrCorrupt, nil, "store %s is the database of another program; give another path", path)
	}
	if s.version > newest {
		return failed(ErrNewer, nil, "store %s has version %d of the tables, and this program knows them up to version %d; "+
			"use the fanout that wrote it, or a newer one", path, s.version, newest)
	}
	return nil
}
