package target

import (
	"maps"
	"slices"
)

// ScriptNames returns the names of all scripts, sorted.
func ScriptNames() []string { return slices.Sorted(maps.Keys(scripts)) }

// NewLedger makes a ledger without an oracle.
func NewLedger() *Ledger { return newLedger() }

// Record records a request.
func (l *Ledger) Record(seen Seen) { l.record(seen) }
