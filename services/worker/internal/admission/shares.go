package admission

import (
	"fmt"
	"sync"
)

// ShareFull says that one subject has as many calls as it may.
type ShareFull struct {
	Subject string
	Cap     int64
}

// Error names the subject, the cap and its value.
func (e *ShareFull) Error() string {
	return fmt.Sprintf("%d calls of %s are running on this worker, which is the most for one subject (--max-calls-per-subject); wait for one to end,"+
		" or use another worker", e.Cap, e.Subject)
}

// Shares is how many calls each subject has, of a worker's room. It is safe for concurrent use.
type Shares struct {
	most int64

	mu    sync.Mutex
	calls map[string]int64 // of those that have any; guarded by mu
}

// NewShares is that nobody has a call, and may have so many at most.
func NewShares(most int64) *Shares { return &Shares{most: most, calls: map[string]int64{}} }

// Take notes one more call of the subject, which gives it back with Leave. It fails with *ShareFull. "" is nobody who was asked for a name,
// and has no share of its own.
func (s *Shares) Take(subject string) error {
	if subject == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls[subject] >= s.most {
		return &ShareFull{subject, s.most}
	}
	s.calls[subject]++
	return nil
}

// Leave gives back what Take took.
func (s *Shares) Leave(subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls[subject]--; s.calls[subject] <= 0 {
		delete(s.calls, subject)
	}
}
