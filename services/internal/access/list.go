package access

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	// maxNameBytes bounds a name: it is in every run, and in every line of the log.
	maxNameBytes = 128
	// maxEntries bounds the list, which is compared as a whole for each call.
	maxEntries = 1000
	// maxListBytes bounds the file: as many entries as may be, with a comment to each.
	maxListBytes = 1 << 20

	hashPrefix = "sha256:"
	certWord   = "cert"
)

// Entry is one line of the file: a token, of which the hash is kept, or certificates of an identity.
type Entry struct {
	Name string
	Role Role
	Cert bool // Hash is none
	Hash Hash
}

// String is the entry as a line of the file.
func (e Entry) String() string {
	what := certWord
	if !e.Cert {
		what = hashPrefix + hex.EncodeToString(e.Hash[:])
	}
	return e.Name + " " + e.Role.String() + " " + what
}

// List is what a file of named tokens says. It is not changed once it is made.
type List struct{ entries []Entry }

// Entries is a copy of the entries, in the order of the file.
func (l *List) Entries() []Entry { return append([]Entry(nil), l.entries...) }

// has reports whether an entry has the name.
func (l *List) has(name string) bool {
	for i := range l.entries {
		if l.entries[i].Name == name {
			return true
		}
	}
	return false
}

// LineError says which line of a file is wrong. It does not quote the line, which may hold a token that somebody put there by mistake.
type LineError struct {
	Line    int // from 1
	Problem string
}

// Error names the line and what to do.
func (e *LineError) Error() string { return fmt.Sprintf("line %d %s", e.Line, e.Problem) }

// Parse reads a file of named tokens: lines NAME ROLE sha256:HEX and NAME ROLE cert, empty lines, and comments after a # at a line's
// begin. It fails with *LineError.
func Parse(text string) (*List, error) {
	if len(text) > maxListBytes {
		return nil, fmt.Errorf("it has more than %d bytes; take out what is not needed", maxListBytes)
	}
	l := new(List)
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		entry, err := parseEntry(line)
		switch {
		case err != nil:
			return nil, &LineError{number, err.Error()}
		case l.has(entry.Name):
			return nil, &LineError{number, "has a name that another line has; give each a name of its own"}
		case len(l.entries) >= maxEntries:
			return nil, &LineError{number, fmt.Sprintf("is beyond the cap of %d entries; remove those that nobody uses", maxEntries)}
		}
		l.entries = append(l.entries, entry)
	}
	return l, nil
}

func parseEntry(line string) (Entry, error) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return Entry{}, errors.New("is not NAME ROLE sha256:HEX or NAME ROLE cert; fanout tokens add writes such lines")
	}
	e := Entry{Name: fields[0]}
	if !ValidName(e.Name) {
		return Entry{}, fmt.Errorf("begins with what is no name; use 1 to %d letters, digits and . _ @ : + / -", maxNameBytes)
	}
	var ok bool
	if e.Role, ok = ParseRole(fields[1]); !ok {
		return Entry{}, errors.New("has no role in second place; use reader, runner or admin")
	}
	if fields[2] == certWord {
		e.Cert = true
		return e, nil
	}
	digits, ok := strings.CutPrefix(fields[2], hashPrefix)
	hash, err := hex.DecodeString(digits)
	if !ok || err != nil || len(hash) != len(e.Hash) {
		return Entry{}, errors.New("has neither sha256: and 64 hexadecimal digits in third place, nor cert; write no token itself there")
	}
	copy(e.Hash[:], hash)
	return e, nil
}

// ValidName reports whether the text can name a subject: of letters, digits and . _ @ : + / - only, so that a DNS name, an e-mail address
// and a SPIFFE ID can, and that none can break a line of the log or of the file.
func ValidName(name string) bool {
	if name == "" || len(name) > maxNameBytes {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("._@:+/-", c) >= 0:
		default:
			return false
		}
	}
	return true
}
