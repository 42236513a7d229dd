package trialca

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Set says whom the certificates of a trial are for. Names may be DNS names or IP addresses.
type Set struct {
	Workers      []string // by which workers are dialled, beside WorkerNames
	Coordinators []string // by which the coordinator is dialled, beside CoordinatorNames
	From, To     time.Time
}

// local is how services on this machine are dialled.
var local = []string{"localhost", "127.0.0.1", "::1"}

// WorkerNames and CoordinatorNames are in every set: what examples call them. ClientName is who callers are.
var (
	WorkerNames      = []string{"worker", "workers"}
	CoordinatorNames = []string{"coordinator"}
)

// ClientName is the name of the one caller of a set.
const ClientName = "client"

// skew is how far behind the clock of another machine may be, for which a certificate is not valid yet.
const skew = 5 * time.Minute

// Write makes an authority, and a certificate and a key each for workers, coordinator and client, and writes them into the directory,
// which is made if it is not there: ca, worker, coordinator and client, as NAME.pem and NAME-key.pem. Keys are for this user alone.
//
// Nothing is overwritten: if one of the files is there, the error names it and nothing is written.
func (s Set) Write(dir string) error {
	pairs, err := s.issue()
	if err != nil {
		return err
	}
	names := []string{"ca", "worker", "coordinator", "client"}
	for _, name := range names {
		for _, path := range []string{certPath(dir, name), keyPath(dir, name)} {
			if _, err := os.Lstat(path); err == nil {
				return fmt.Errorf("%s is there already, and services may depend on it; remove it, or choose another directory with --dir", path)
			}
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the directory of the certificates: %w; choose another with --dir", err)
	}
	for i, name := range names {
		err := errors.Join(create(keyPath(dir, name), pairs[i].Key, 0o600), create(certPath(dir, name), pairs[i].Cert, 0o644))
		if err != nil {
			return err
		}
	}
	return nil
}

// issue is the pairs of ca, worker, coordinator and client.
func (s Set) issue() ([]Pair, error) {
	from := s.From.Add(-skew)
	authority, err := New(from, s.To)
	if err != nil {
		return nil, err
	}
	own, err := authority.Pair()
	if err != nil {
		return nil, err
	}
	pairs := []Pair{own}
	for _, leaf := range []Leaf{
		{Names: slices.Concat(WorkerNames, s.Workers, local), Serving: true},
		{Names: slices.Concat(CoordinatorNames, s.Coordinators, local), Serving: true, Calling: true}, // it calls the workers
		{Names: []string{ClientName}, Calling: true},
	} {
		leaf.From, leaf.To = from, s.To
		pair, err := authority.Issue(leaf)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, pair)
	}
	return pairs, nil
}

func certPath(dir, name string) string { return filepath.Join(dir, name+".pem") }

func keyPath(dir, name string) string { return filepath.Join(dir, name+"-key.pem") }

// create writes a file that must not be there: another process may have been quicker.
func create(path string, content []byte, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("writing certificates: %w; choose another directory with --dir", err)
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing certificates: %w; choose another directory with --dir", err)
	}
	return nil
}
