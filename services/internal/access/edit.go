package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Add adds an entry to the file at path, which is made if it is not there, for its owner alone. It fails if the name is there.
func Add(path string, entry Entry) error {
	if !ValidName(entry.Name) {
		return fmt.Errorf("%.140q is no name; use 1 to %d letters, digits and . _ @ : + / -", entry.Name, maxNameBytes)
	}
	return edit(path, true, func(text string, list *List) (string, error) {
		if list.has(entry.Name) {
			return "", fmt.Errorf("%s has the name %s already; remove that first, or choose another", path, entry.Name)
		}
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		return text + entry.String() + "\n", nil
	})
}

// Remove removes the entry with the name from the file at path. It fails if there is none.
func Remove(path, name string) error {
	return edit(path, false, func(text string, list *List) (string, error) {
		if !list.has(name) {
			return "", fmt.Errorf("%s has no name %.140q; fanout tokens list shows those that it has", path, name)
		}
		var kept strings.Builder
		for line := range strings.Lines(text) {
			if fields := strings.Fields(line); len(fields) == 0 || fields[0] != name {
				kept.WriteString(line)
			}
		}
		return kept.String(), nil
	})
}

// ReadList is what the file at path says.
func ReadList(path string) (*List, error) {
	f := &File{path: path}
	text, err := f.read()
	if err != nil {
		return nil, f.explain(err)
	}
	list, err := Parse(text)
	if err != nil {
		return nil, f.explain(err)
	}
	return list, nil
}

// edit changes the file by putting another in its place, so that whoever reads it finds the old one or the new one. It fails if somebody
// else has changed it meanwhile: a token that was removed must not come back.
func edit(path string, create bool, change func(text string, list *List) (string, error)) error {
	f := &File{path: path}
	text, err := f.read()
	if err != nil && !(create && errors.Is(err, fs.ErrNotExist)) {
		return f.explain(err)
	}
	list, err := Parse(text)
	if err != nil {
		return f.explain(err)
	}
	changed, err := change(text, list)
	if err != nil {
		return err
	}
	if _, err := Parse(changed); err != nil {
		return f.explain(err)
	}
	if now, _ := f.read(); now != text {
		return fmt.Errorf("%s was changed meanwhile; try again", path)
	}
	return replace(path, []byte(changed))
}

// replace writes a file beside the one at path, for its owner alone, and renames it. A file that is there keeps its owner and its mode:
// the service that reads it may be another user.
func replace(path string, text []byte) (err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the link stays
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".fanout-tokens-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	if old, err := os.Stat(path); err == nil {
		if err := likeOld(file, old); err != nil {
			return errors.Join(fmt.Errorf("the new file cannot be given the owner and the mode of %s: %w", path, err), file.Close())
		}
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
