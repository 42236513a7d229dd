package request

import (
	"net/http"
	"slices"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

// Kept is those of the response's headers that are asked for by canonical name, "*" for all, sorted by name.
func Kept(header http.Header, asked []string) []outcome.Header {
	if len(asked) == 0 {
		return nil
	}
	var names []string
	for name := range header {
		if slices.Contains(asked, "*") || slices.Contains(asked, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var kept []outcome.Header
	for _, name := range names {
		for _, value := range header[name] {
			kept = append(kept, outcome.Header{Name: name, Value: value})
		}
	}
	return kept
}
