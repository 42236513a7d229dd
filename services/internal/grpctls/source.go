package grpctls

import (
	"log/slog"
	"os"
	"sync"
	"time"
)

// Source is the certificates of a process, as its files hold them now. It is safe for concurrent use.
//
// The files are looked at when a connection begins, and read again when they are not the ones that were read last: the next connection
// has the new certificates, without a signal and without waiting, and those that are open stay. What cannot be used, as half of a new
// pair, is left for the next look; the old certificates stay meanwhile.
type Source struct {
	files Files
	use   Use
	log   *slog.Logger

	mu      sync.Mutex
	seen    look      // guarded by mu
	current *material // guarded by mu
}

// Open reads the files for the first time. The error is one sentence that names flag and file.
func Open(files Files, use Use, log *slog.Logger) (*Source, error) {
	if err := files.Check(use); err != nil {
		return nil, err
	}
	seen := files.look()
	current, err := files.load(use, time.Now())
	if err != nil {
		return nil, err
	}
	return &Source{files: files, use: use, log: log, seen: seen, current: current}, nil
}

// material is what is to be used now.
func (s *Source) material() *material {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.files.look() // before they are read: a change in between shows at the next look
	if seen.same(s.seen) {
		return s.current
	}
	s.seen = seen
	read, err := s.files.load(s.use, time.Now())
	if err != nil {
		s.log.Warn("certificates have changed and cannot be used; those from before stay", "error", err)
		return s.current
	}
	s.current = read
	s.log.Info("certificates have changed; new connections have the new ones")
	return s.current
}

// look is what the file system says of the files, without reading them; nil is a file that is not there.
type look [3]os.FileInfo

func (f Files) look() look {
	var l look
	for i, name := range []string{f.Cert, f.Key, f.CA} {
		if name != "" && name != System {
			l[i], _ = os.Stat(name) // what is wrong with it is told when it is read
		}
	}
	return l
}

func (l look) same(other look) bool {
	for i, a := range l {
		b := other[i]
		if (a == nil) != (b == nil) || a != nil && (!os.SameFile(a, b) || a.Size() != b.Size() || !a.ModTime().Equal(b.ModTime())) {
			return false
		}
	}
	return true
}
