package runs

import "testing"

// A run whose first grants were stored, and never sent, starts when every worker that may still send has answered: none knows of a start.
func TestStartAnew(t *testing.T) {
	t.Parallel()
	answered := hold{asked: true}
	draining := hold{asked: true, draining: true}
	for _, tt := range []struct {
		name  string
		holds []hold
		want  bool
	}{
		{"all have answered", []hold{answered, answered}, true},
		{"one was not asked", []hold{answered, {}}, false},
		{"one has missed a renewal", []hold{answered, {asked: true, misses: 1}}, false},
		{"one drains", []hold{answered, draining}, true},
		{"all drain", []hold{draining, draining}, true},
		{"one is lost", []hold{answered, {lost: true}}, true},
		{"none is left", []hold{{lost: true}, {asked: true, finished: true}, {asked: true, closed: true}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := staying(t, len(tt.holds))
			for k, s := range c.shards {
				s.hold = tt.holds[k]
			}
			c.startAnew()
			if !c.start.IsZero() {
				t.Error("a run that was begun in this life starts anew")
			}
			c.resumed = true
			c.startAnew()
			if got := !c.start.IsZero(); got != tt.want {
				t.Errorf("the run starts: %v, want %v", got, tt.want)
			}
		})
	}
}
