package main

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
)

// configured is a command with a flag of each kind, of which it has taken the command line, the environment and a file.
type configured struct {
	text        string
	whole       int
	wide        int64
	number      float64
	span        time.Duration
	seconds     duration
	list, lines []string
	yes         bool
	odd         oddFlag
	unknown     []unknownVariable
	from        map[string]string
	err         error
}

// oddFlag is a flag of a type that package pflag does not have. It takes several values.
type oddFlag struct{ values []string }

func (f *oddFlag) String() string { return strings.Join(f.values, "+") }
func (f *oddFlag) Type() string   { return "ODD" }
func (f *oddFlag) Set(value string) error {
	if value == "even" {
		return io.ErrUnexpectedEOF
	}
	f.values = append(f.values, value)
	return nil
}

// configuredBy configures a command; with a file if it has content.
func configuredBy(t *testing.T, args, environ []string, file string) *configured {
	t.Helper()
	if file != "" {
		args = append(slices.Clone(args), "--config", tempFile(t, file))
	}
	c := &configured{from: map[string]string{}}
	one := &cobra.Command{Use: "one"}
	c.addFlags(one.Flags())
	other := &cobra.Command{Use: "other"}
	other.Flags().String("theirs", "", "")
	if c.err = one.ParseFlags(args); c.err != nil {
		return c
	}
	c.unknown, c.err = configure(one, environ, flagNames([]*cobra.Command{one, other}), c.from)
	return c
}

func (c *configured) addFlags(flags *pflag.FlagSet) {
	flags.String("config", "", "")
	flags.StringVar(&c.text, "text", "default", "")
	flags.IntVar(&c.whole, "whole", 1, "")
	flags.Int64Var(&c.wide, "wide", 1, "")
	flags.Float64Var(&c.number, "a-number", 1, "")
	flags.DurationVar(&c.span, "span", time.Second, "")
	flags.Var(&c.seconds, "seconds", "")
	flags.StringSliceVar(&c.list, "list", []string{"default"}, "")
	flags.StringArrayVar(&c.lines, "lines", []string{"default"}, "")
	flags.BoolVar(&c.yes, "yes", false, "")
	flags.Var(&c.odd, "odd", "")
	flags.Bool("hidden", false, "")
	_ = flags.MarkHidden("hidden")
}

// Of every kind of flag the command line counts before the environment, that before the file, and that before the default.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		flag                        string
		given, environment, file    string // as each writes it
		want                        func(*configured) string
		byFlag, byEnv, byFile, none string // what the flag is then
	}{
		{"text", "a", "b", "c", func(c *configured) string { return c.text }, "a", "b", "c", "default"},
		{"whole", "2", "3", "4", func(c *configured) string { return strconv.Itoa(c.whole) }, "2", "3", "4", "1"},
		{"wide", "2", "0x10", "1_000", func(c *configured) string { return strconv.FormatInt(c.wide, 10) }, "2", "16", "1000", "1"},
		{"a-number", "2.5", "1e3", "1_000_000", func(c *configured) string { return strconv.FormatFloat(c.number, 'f', -1, 64) }, "2.5", "1000", "1000000", "1"},
		{"span", "2s", "1h", "1m30s", func(c *configured) string { return c.span.String() }, "2s", "1h0m0s", "1m30s", "1s"},
		{"seconds", "2", "1h", "1.5", func(c *configured) string { return c.seconds.value.String() }, "2s", "1h0m0s", "1.5s", "0s"},
		{"list", "a,b", "c, d,", "[e, f]", func(c *configured) string { return strings.Join(c.list, "+") }, "a+b", "c+d", "e+f", "default"},
		{"list", "", "c", "e,f", func(c *configured) string { return strings.Join(c.list, "+") }, "", "c", "e+f", "default"},
		{"lines", "a,b", "c,d", `["e,f", g]`, func(c *configured) string { return strings.Join(c.lines, "+") }, "a,b", "c+d", "e,f+g", "default"},
		{"list", "a", "b", "[]", func(c *configured) string { return strings.Join(c.list, "+") }, "a", "b", "", "default"},
		{"yes", "true", "1", "true", func(c *configured) string { return strconv.FormatBool(c.yes) }, "true", "true", "true", "false"},
		{"odd", "a", "b,c", "[d, e]", func(c *configured) string { return c.odd.String() }, "a", "b,c", "d+e", ""},
	} {
		t.Run(tt.flag+" "+tt.file, func(t *testing.T) {
			t.Parallel()
			args := []string{"--" + tt.flag + "=" + tt.given}
			environ := []string{"HOME=/", variable(tt.flag) + "=" + tt.environment}
			file := tt.flag + ": " + tt.file + "\n"
			for _, layers := range []struct {
				name          string
				args, environ []string
				file, want    string
				from          string // in the source
			}{
				{"all", args, environ, file, tt.byFlag, ""},
				{"flag and environment", args, environ, "", tt.byFlag, ""},
				{"flag and file", args, nil, file, tt.byFlag, ""},
				{"flag", args, nil, "", tt.byFlag, ""},
				{"environment and file", nil, environ, file, tt.byEnv, variable(tt.flag)},
				{"environment", nil, environ, "", tt.byEnv, variable(tt.flag)},
				{"file", nil, nil, file, tt.byFile, "line 1, " + tt.flag},
				{"an empty variable and file", nil, []string{variable(tt.flag) + "="}, file, tt.byFile, "line 1, " + tt.flag},
				{"nothing", nil, nil, "", tt.none, ""},
			} {
				c := configuredBy(t, layers.args, layers.environ, layers.file)
				if got := tt.want(c); c.err != nil || got != layers.want {
					t.Errorf("%s: --%s is %q, %v, want %q", layers.name, tt.flag, got, c.err, layers.want)
				}
				if from := c.from[tt.flag]; (from == "") != (layers.from == "") || !strings.Contains(from, layers.from) {
					t.Errorf("%s: --%s is from %q, want %q", layers.name, tt.flag, from, layers.from)
				}
			}
		})
	}
}

// What is wrong with a file ends with one sentence that has the file, the line and the key.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, file string
		want       []string
	}{
		{"not YAML", "text: [a\n", []string{"--config", "is not YAML", "line"}},
		{"tabs", "a:\n\t- b\n", []string{"is not YAML"}},
		{"bytes that are no text", "text: \xff\xfe\n", []string{"is not YAML"}},
		{"a list", "- text\n", []string{"line 1", "flags by their names"}},
		{"a word", "text\n", []string{"line 1", "flags by their names"}},
		{"two documents", "text: a\n---\ntext: b\n", []string{"more than one document"}},
		{"an unknown key", "no-such: 1\n", []string{"line 1", "no-such is no flag of fanout one", "--help"}},
		{"a misspelt key", "text: a\nwohle: 1\n", []string{"line 2", "wohle is no flag", "is whole meant?"}},
		{"a key with underscores", "a_number: 1\n", []string{`"a_number" is no flag`, "is a-number meant?"}},
		{"another service's key", "theirs: a\n", []string{"line 1", "theirs is a flag of fanout other, and not of fanout one"}},
		{"a hidden key", "hidden: true\n", []string{"hidden is no flag"}},
		{"the file itself", "config: a\n", []string{"config names this file"}},
		{"a key that is no text", "1: a\n", []string{`"1" is no flag`}},
		{"a key with escapes", "\"\\e[2J\": a\n", []string{`"\x1b[2J" is no flag`}},
		{"a merge", "<<: {text: a}\n", []string{`"<<" is no flag`}},
		{"a key twice", "text: a\nwhole: 2\ntext: b\n", []string{"line 3, text", "there already"}},
		{"no value", "text:\n", []string{"line 1, text", "no value"}},
		{"null", "list: [a, null]\n", []string{"list", "no value"}},
		{"a number for text", "text: 12\n", []string{"line 1, text", `"12" is not text; put it in quotes`}},
		{"text for a number", "whole: many\n", []string{"line 1, whole", `"many" is not a whole number`}},
		{"a number in quotes", "whole: \"2\"\n", []string{`"2" is not a whole number`}},
		{"a fraction for a whole number", "wide: 1.5\n", []string{`"1.5" is not a whole number`}},
		{"a great number", "wide: 9223372036854775808\n", []string{"wide", `"9223372036854775808"`, "out of range"}},
		{"text for a rate", "a-number: fast\n", []string{`"fast" is not a number`}},
		{"text for yes or no", "yes: maybe\n", []string{`"maybe" is not true or false`}},
		{"a number for yes or no", "yes: 1\n", []string{`"1" is not true or false`}},
		{"a number for a duration", "span: 30\n", []string{`"30" is not a duration, as 30s`}},
		{"a bad duration of our own", "seconds: long\n", []string{"line 1, seconds", `"long" is not a duration; use 10s`}},
		{"a list for one value", "text: [a, b]\n", []string{"a list of 2 values", "one value"}},
		{"a map for one value", "text: {a: b}\n", []string{"no keys of its own"}},
		{"a list of lists", "list: [[a]]\n", []string{"list", "single values"}},
		{"an alias", "text: &a b\nlist: *a\n", []string{"line 2, list", "*a refers", "write it out"}},
		{"what the flag refuses", "odd: even\n", []string{"line 1, odd", `"even"`, "unexpected EOF"}},
		{"huge", strings.Repeat("# much\n", 1<<18), []string{"--config", "cap of 1048576 bytes"}},
		{"deep", "text: " + strings.Repeat("[", 20_000) + "\n", []string{"is not YAML"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := configuredBy(t, nil, nil, tt.file)
			wantUsage(t, c.err, tt.want...)
		})
	}
	for _, fine := range []string{"\n", "# nothing\n", "---\n", "{}\n", "text: a # why\n", "lines: []\n", "\ufefftext: a\n"} {
		if c := configuredBy(t, nil, nil, fine); c.err != nil {
			t.Errorf("configure(%q) = %v, want no error", fine, c.err)
		}
	}
}

// A file that cannot be read is an error, with where its name is from.
func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none.yaml")
	unreadable := tempFile(t, "text: a\n")
	if err := os.Chmod(unreadable, 0); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"missing": none, "a directory": t.TempDir()}
	if runtime.GOOS != "windows" && os.Getuid() != 0 { // whom nothing is unreadable to
		files["unreadable"] = unreadable
	}
	for name, path := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantUsage(t, configuredBy(t, []string{"--config", path}, nil, "").err, "--config", path, "name a file that can be read")
			c := configuredBy(t, nil, []string{"FANOUT_CONFIG=" + path}, "")
			wantUsage(t, withSources(c.err, c.from), path, "--config is given by FANOUT_CONFIG")
		})
	}
	wantUsage(t, configuredBy(t, []string{"--config", ""}, nil, "").err, `--config "" is no file`)
}

// What is wrong with a variable is one sentence with its name and value. Flags before it are not even looked at.
func TestBadVariables(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		variable string
		args     []string
		want     []string // none: it is fine
	}{
		{"FANOUT_WHOLE=many", nil, []string{"FANOUT_WHOLE", `"many" is not a whole number`}},
		{"FANOUT_WHOLE=many", []string{"--whole", "2"}, nil},
		{"FANOUT_WIDE=9223372036854775808", nil, []string{"FANOUT_WIDE", "out of range"}},
		{"FANOUT_A_NUMBER=fast", nil, []string{"FANOUT_A_NUMBER", `"fast" is not a number`}},
		{"FANOUT_SPAN=30", nil, []string{"FANOUT_SPAN", `"30" is not a duration`}},
		{"FANOUT_SECONDS=long", nil, []string{"FANOUT_SECONDS", `"long" is not a duration`}},
		{"FANOUT_YES=maybe", nil, []string{"FANOUT_YES", `"maybe" is not true or false`}},
		{"FANOUT_ODD=even", nil, []string{"FANOUT_ODD", `"even"`}},
		{"FANOUT_THEIRS=anything", nil, nil},
		{"FANOUT_HIDDEN=maybe", nil, nil},
		{"FANOUT_HELP=true", nil, nil},
	} {
		t.Run(tt.variable+strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			c := configuredBy(t, tt.args, []string{tt.variable}, "")
			if len(tt.want) > 0 {
				wantUsage(t, c.err, tt.want...)
			} else if c.err != nil || len(c.unknown) > 0 {
				t.Errorf("configure() = %v, %v, want no error and no warning", c.unknown, c.err)
			}
		})
	}
}

// A variable that looks like a flag's is worth a warning; those of others are none of our business.
func TestMisspeltVariables(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"FANOUT_TXET":                 "FANOUT_TEXT",
		"FANOUT_ANUMBER":              "FANOUT_A_NUMBER",
		"FANOUT_SECOND":               "FANOUT_SECONDS",
		"FANOUT_CONFIGS":              "FANOUT_CONFIG",
		"FANOUT_THEIR":                "FANOUT_THEIRS",
		"FANOUT_TEXT_SERVICE_HOST":    "", // Kubernetes, for a service fanout-text
		"FANOUT_TEXT_PORT_7070_TCP":   "",
		"FANOUT_PORT":                 "",
		"FANOUT_SOMETHING_ELSE":       "",
		"OTHER_TEXT":                  "",
		"fanout_text":                 "",
		"FANOUT_WHOLE_PORT_7070_TCP_": "",
	} {
		got := ""
		c := configuredBy(t, nil, []string{name + "=1"}, "")
		if len(c.unknown) > 0 {
			got = c.unknown[0].meant
		}
		if got != want || c.err != nil {
			t.Errorf("%s is taken for %q, %v, want %q", name, got, c.err, want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"same", "same", 0}, {"kitten", "sitting", 3}, {"rate", "rates", 1}, {"ab", "ba", 2}} {
		if got, back := distance(tt.a, tt.b), distance(tt.b, tt.a); got != tt.want || back != tt.want {
			t.Errorf("distance(%q, %q) = %d, and back %d, want %d", tt.a, tt.b, got, back, tt.want)
		}
	}
}

// What a service finds wrong with a flag later on says where the flag was given, too.
func TestSourcesOfLaterErrors(t *testing.T) {
	config := tempFile(t, "workers: 127.0.0.1:7070\nstore: memory\nkeep-runs: 0\n")
	got := command(t, "coordinator", "--config", config)
	if want := "(--keep-runs is given by " + config + ", line 3, keep-runs)"; got.code != exitUsage || !strings.Contains(got.err, want) {
		t.Errorf("fanout coordinator --config = exit %d, %q, want 2 and %q", got.code, got.err, want)
	}
	t.Setenv("FANOUT_KEEP_RUNS", "-1")
	got = command(t, "coordinator", "--config", config)
	if want := "--keep-runs -1 is not at least 1"; got.code != exitUsage || !strings.Contains(got.err, want) || !strings.Contains(got.err, "(--keep-runs is given by FANOUT_KEEP_RUNS)") {
		t.Errorf("fanout coordinator with FANOUT_KEEP_RUNS = exit %d, %q, want 2 and %q", got.code, got.err, want)
	}
}

// The services read all three layers, and warn of a variable that is misspelt; commands of callers read none.
func TestServicesAreConfigured(t *testing.T) {
	o := startOracle(t)
	t.Setenv("FANOUT_QUIET", "true")
	t.Setenv("FANOUT_STATE_DIRS", "none")
	t.Setenv("FANOUT_LISTEN", "nonsense") // the flag counts
	target := start(t, "target")
	start(t, "worker", "--config", tempFile(t, "state-dir: none\n"))
	if got := command(t, "run", "http://"+target.address+"/inc", o.URL()+"/ok"); got.code != exitUsage {
		t.Errorf("fanout run with two URLs = exit %d, %q, want 2", got.code, got.err)
	}
	if got := command(t, "run", o.URL()+"/ok"); got.code != exitPassed {
		t.Errorf("fanout run = exit %d, %q, want 0 whatever the environment has for services", got.code, got.err)
	}
	got := command(t, "worker")
	if got.code != exitUsage || !strings.Contains(got.err, "nonsense") || !strings.Contains(got.err, "--listen is given by FANOUT_LISTEN") ||
		!strings.Contains(got.err, "variable=FANOUT_STATE_DIRS meant=FANOUT_STATE_DIR") {
		t.Errorf("fanout worker = exit %d, %q, want 2, the variable, and a warning", got.code, got.err)
	}
}

func wantUsage(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("configure() = no error, want one with %q", want)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("configure() = %q, want one line", err)
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("configure() = %q, want %q in it", err, part)
		}
	}
}

// The flag for targets, which is of a type of its own, is taken from each layer too.
func TestTargetsAreConfigured(t *testing.T) {
	list := tempFile(t, "allow-target: [10.0.0.0/8, a.test]\n")
	for _, tt := range []struct {
		name, environment string
		args              []string
		want              string
	}{
		{"a file", "", []string{"--config", list}, "10.0.0.0/8 a.test"},
		{"the environment", "b.test, c.test:443", []string{"--config", list}, "b.test c.test:443"},
		{"a flag", "b.test", []string{"--config", list, "--allow-target", "d.test"}, "d.test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("FANOUT_ALLOW_TARGET", tt.environment)
			conn, err := grpcdial.New(start(t, append([]string{"worker"}, tt.args...)...).address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			who, err := fanoutv1.NewWorkerServiceClient(conn).GetWorker(t.Context(), &fanoutv1.GetWorkerRequest{})
			if got := strings.Join(who.GetAllowedTargets(), " "); err != nil || got != tt.want {
				t.Errorf("GetWorker() allows %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	t.Setenv("FANOUT_ALLOW_TARGET", "http://a.test/")
	if got := command(t, "worker"); got.code != exitUsage || !strings.Contains(got.err, `fanout: FANOUT_ALLOW_TARGET: "http://a.test/"`) {
		t.Errorf("fanout worker with a URL for a rule = exit %d, %q, want 2 and the variable", got.code, got.err)
	}
}
