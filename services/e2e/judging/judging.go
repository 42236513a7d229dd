// Package judging is what the judges of end-to-end tests have in common, wherever the target's ledger is.
package judging

import (
	"testing"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

// Errors is the errors of a run's report in JSON.
type Errors []struct {
	Class    string
	Count    int64
	Examples []string
}

// Bounds is how many requests the target may have seen of a run with so many responses, unknown slots and errors: what is delivered for
// certain, and nothing that cannot be. An error without a class of its own fails the test.
func Bounds(t *testing.T, responses, unknown int64, errors Errors) (least, most int64) {
	t.Helper()
	least, most = responses, responses+unknown
	for _, e := range errors {
		switch deliveryOf(t, e.Class) {
		case outcome.Delivered:
			least += e.Count
			most += e.Count
		case outcome.MaybeDelivered:
			most += e.Count
		case outcome.NotDelivered:
		}
		if e.Class == outcome.Other.String() {
			t.Errorf("%d errors have no class of their own: %q", e.Count, e.Examples)
		}
	}
	return least, most
}

func deliveryOf(t *testing.T, name string) outcome.Delivery {
	t.Helper()
	for _, class := range outcome.Classes() {
		if class.String() == name {
			return class.Delivery()
		}
	}
	t.Errorf("the report has an error class %q, which is not of the list", name)
	return outcome.MaybeDelivered
}
