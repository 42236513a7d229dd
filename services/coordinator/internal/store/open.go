package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// How long a session waits for the file of a coordinator that is just ending, and how often it tries.
const (
	lockPatience = 2 * time.Second
	lockInterval = 20 * time.Millisecond
)

// prepareFile is the absolute path of the store's file. A file that does not exist is created, empty, with its directory.
func prepareFile(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("store has no absolute path: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", explain(path, "created", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return path, checkFile(path)
	}
	if err != nil {
		return "", explain(path, "created", err)
	}
	return path, explain(path, "created", file.Close())
}

// checkFile fails if the path is not that of an ordinary file. It does not open it: closing it would drop the locks that this
// process may have on it.
func checkFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failed(fs.ErrNotExist, err, "store %s does not exist; give the path of a coordinator's store", path)
	case err != nil:
		return explain(path, "opened", err)
	case info.IsDir():
		return fmt.Errorf("store %s is a directory; give the path of a file, such as %s", path, filepath.Join(path, "fanout.db"))
	case !info.Mode().IsRegular():
		return fmt.Errorf("store %s is not an ordinary file; give the path of one", path)
	default:
		return nil
	}
}

// connect opens the file for reading and writing, and locks it unless it is shared. As long as it is locked by others it tries
// again, up to lockPatience.
func connect(ctx context.Context, path string, options Options) (*sql.DB, error) {
	locking, synchronous := "EXCLUSIVE", "FULL"
	if options.shared {
		locking = "NORMAL"
	}
	if options.hasty {
		synchronous = "OFF"
	}
	source := dataSource(path, "_pragma=locking_mode("+locking+")", "_pragma=secure_delete(1)", "_journal_mode=WAL", "_synchronous="+synchronous,
		"_foreign_keys=1", "_txlock=immediate")
	patience := time.NewTimer(lockPatience)
	defer patience.Stop()
	for {
		db, err := connectOnce(ctx, source)
		if err == nil || classify(path, err) != ErrInUse {
			return db, err
		}
		again := time.NewTimer(lockInterval)
		select {
		case <-again.C:
		case <-patience.C:
			again.Stop()
			return nil, err
		case <-ctx.Done():
			again.Stop()
			return nil, ctx.Err()
		}
	}
}

// connectOnce makes the one connection, and reads from the file so that it has its lock.
func connectOnce(ctx context.Context, source string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	var tables int64
	if err := db.QueryRowContext(context.WithoutCancel(ctx), "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// dataSource is the path and the parameters as SQLite's driver takes them. Double quotes never mean text, and an error has only
// the message that is its own.
func dataSource(path string, parameters ...string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/…
	}
	escaped := (&url.URL{Path: slashed}).EscapedPath()
	return "file://" + escaped + "?" + strings.Join(append(parameters, "_dqs=0", "_error_rc=1"), "&")
}
