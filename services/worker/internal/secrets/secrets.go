// Package secrets puts the secrets that only this worker has in the place of the references to them, in the header values and bodies
// of a plan, for one call and in memory alone. What it refuses it refuses by the reference's name; a value is in no message.
package secrets

import (
	"path/filepath"
	"slices"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// Allowed is what references may stand for. The zero value allows nothing.
type Allowed struct {
	Env   []string // names of environment variables
	Files []string // absolute paths, clean; where symbolic links in them lead is their owner's business
	All   bool     // every variable and file: for a worker that acts for the person who started it

	// LookupEnv is the environment, as os.LookupEnv. Nil: an empty one.
	LookupEnv func(name string) (value string, found bool)
}

func (a *Allowed) allows(r plan.Reference) bool {
	switch {
	case a.All:
		return true
	case r.Source == plan.SourceEnv:
		return slices.Contains(a.Env, r.Name)
	default:
		return slices.Contains(a.Files, filepath.Clean(r.Name))
	}
}
