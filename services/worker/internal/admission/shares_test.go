package admission

import (
	"errors"
	"strings"
	"testing"
)

func TestShares(t *testing.T) {
	t.Parallel()
	s := NewShares(2)
	for range 2 {
		if err := s.Take("ann"); err != nil {
			t.Fatalf("Take = %v, want room", err)
		}
	}
	var full *ShareFull
	err := s.Take("ann")
	if !errors.As(err, &full) || full.Subject != "ann" || full.Cap != 2 || !strings.Contains(err.Error(), "2 calls of ann") {
		t.Errorf("Take of a third = %v, want ShareFull of ann with 2", err)
	}
	if err := s.Take("bob"); err != nil {
		t.Errorf("Take of another = %v, want room", err)
	}
	for range 10 {
		if err := s.Take(""); err != nil {
			t.Errorf("Take of nobody = %v, want room", err)
		}
		s.Leave("")
	}
	s.Leave("ann")
	if err := s.Take("ann"); err != nil {
		t.Errorf("Take after Leave = %v, want room", err)
	}
	for _, who := range []string{"ann", "ann", "bob"} {
		s.Leave(who)
	}
	if len(s.calls) != 0 {
		t.Errorf("%d subjects are remembered without a call, want none", len(s.calls))
	}
}
