package model

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

// cases is how many cases all shapes have together, unless FANOUT_MODEL_CASES says another number.
func cases() (int, error) {
	text, ok := os.LookupEnv("FANOUT_MODEL_CASES")
	switch {
	case ok:
		return strconv.Atoi(text)
	case slow:
		return 25, nil
	default:
		return 200, nil
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	n, err := cases()
	if err == nil && !given("rapid.checks") {
		err = flag.Set("rapid.checks", strconv.Itoa(max(n/len(shapes()), 1)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "FANOUT_MODEL_CASES:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func given(name string) (found bool) {
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// Whatever befalls workers, coordinators and the network between them, every slot is sent at most once, and accounted for.
func TestModel(t *testing.T) {
	t.Parallel()
	var seen coverage
	t.Cleanup(func() { seen.tell(t) })
	for _, shape := range shapes() {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				s := draw(rt, shape)
				defer func() {
					if why := recover(); why != nil {
						seen.fail(s, why)
						panic(why)
					}
				}()
				e := simulate(t, s, sound)
				seen.add(s, e)
				if len(e.wrongs) > 0 {
					seen.fail(s, e.wrongs)
					rt.Fatalf("%s", e.report(s))
				}
			})
		})
	}
}
