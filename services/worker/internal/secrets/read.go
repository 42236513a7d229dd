package secrets

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// maxFileBytes is the most of a file: a token, a key or a small document has less, and all headers of a request together have it as
// their cap.
const maxFileBytes = 64 << 10

// Flags with which a worker is told what it may send.
const (
	envFlag  = "--allow-secret-env"
	fileFlag = "--allow-secret-file"
)

// read is what a reference stands for. The error says after "refers to" what is wrong, and what to do; of what is not allowed it does
// not say whether it is there.
func (a *Allowed) read(r plan.Reference) (string, error) {
	if r.Source == plan.SourceEnv {
		return a.readEnv(r)
	}
	return a.readFile(r)
}

func (a *Allowed) readEnv(r plan.Reference) (string, error) {
	if !a.allows(r) {
		return "", fmt.Errorf("the environment variable %.80q, which this worker does not allow; start it with %s %.80[1]q, or leave the reference out", r.Name, envFlag)
	}
	if a.LookupEnv != nil {
		if value, found := a.LookupEnv(r.Name); found {
			return value, nil
		}
	}
	return "", fmt.Errorf("the environment variable %.80q, which is not set on this worker; set it before the worker starts", r.Name)
}

func (a *Allowed) readFile(r plan.Reference) (string, error) {
	if !filepath.IsAbs(r.Name) {
		return "", fmt.Errorf("the file %.80q, which is not an absolute path; give one, as /run/secrets/token", r.Name)
	}
	if !a.allows(r) {
		return "", fmt.Errorf("the file %.80q, which this worker does not allow; start it with %s %.80[1]q, or leave the reference out", r.Name, fileFlag)
	}
	value, err := readSmall(filepath.Clean(r.Name))
	if err != nil {
		return "", fmt.Errorf("the file %.80q, which this worker cannot read: %w", r.Name, reason(err))
	}
	return value, nil
}

// readSmall is the content of a file without the line's end at its end, which editors add and no secret has.
func readSmall(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() { // to open a pipe may take for ever
		return "", errors.New("it is not an ordinary file; give the path of one")
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // nothing was written
	content, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxFileBytes {
		return "", fmt.Errorf("it is beyond the cap of %d bytes; use a smaller one", maxFileBytes)
	}
	text := strings.TrimSuffix(string(content), "\n")
	if len(text) < len(content) {
		text = strings.TrimSuffix(text, "\r")
	}
	return text, nil
}

// reason is the system's word without the operation and the path, which may be another one, where a link leads.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
