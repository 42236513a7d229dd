package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// variablePrefix is what the names of our variables begin with.
const variablePrefix = "FANOUT_"

// variable is the environment variable of a flag.
func variable(flag string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// unknownVariable is a variable that is no flag's, and the one that it looks like.
type unknownVariable struct{ name, meant string }

// environmentSettings is what the environment says of the flags, and the variables that look like one of a service but are none. Other
// variables of our prefix are nobody's mistake: Kubernetes makes some for every service whose name begins with fanout.
func environmentSettings(environ []string, flags *pflag.FlagSet, known map[string][]string) (map[string]setting, []unknownVariable) {
	names := map[string]string{} // of the flags, by variable
	for name := range known {
		names[variable(name)] = name
	}
	settings := map[string]setting{}
	var unknown []unknownVariable
	for _, entry := range environ {
		key, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(key, variablePrefix) || value == "" {
			continue
		}
		name, ok := names[key]
		switch {
		case !ok:
			if meant := nearest(key, slices.Sorted(maps.Keys(names))); meant != "" {
				unknown = append(unknown, unknownVariable{key, meant})
			}
		case flags.Lookup(name) != nil: // otherwise it is another service's
			settings[name] = setting{source: key, values: []string{value}}
		}
	}
	return settings, unknown
}

// nearest is the candidate that differs from name by the fewest letters, two at most; "" if none does.
func nearest(name string, candidates []string) string {
	best, least := "", 3
	for _, candidate := range candidates {
		if d := distance(name, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance is how many letters have to be put in, taken out or changed to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // from the part of a so far to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
