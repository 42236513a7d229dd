package main

import (
	"cmp"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// header is what the figures are of: the machine, the versions, the day.
func (b *bench) header(ctx context.Context) string {
	t := &table{columns: []string{"", "version"}, words: 2}
	t.row("date", time.Now().UTC().Format("2006-01-02 15:04 MST"))
	t.row("machine", fmt.Sprintf("%s, %d cores, %s %s", cpuModel(), runtime.NumCPU(), runtime.GOOS, kernel()))
	t.row("load before", cmp.Or(firstWords("/proc/loadavg", 3), "unknown"))
	t.row("Go", runtime.Version())
	t.row("fanout", cmp.Or(firstLine(ctx, "git", "describe", "--always", "--dirty"), "unknown"))
	t.row("nginx", cmp.Or(strings.TrimPrefix(firstLine(ctx, "nginx", "-v"), "nginx version: "), "not installed"))
	for _, p := range b.others {
		if p.skipped != "" {
			t.row(p.name, "skipped: "+p.skipped)
		} else {
			t.row(p.name, version(ctx, p))
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "# fanout beside its peers\n\n`%s`\n\n%s", strings.Join(append([]string{"bench"}, os.Args[1:]...), " "), t)
	return text.String()
}

// version is what a program says that it is: a Go program by what it was built from.
func version(ctx context.Context, p peer) string {
	if info, err := buildinfo.ReadFile(p.path); err == nil && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Path + " " + info.Main.Version
	}
	text, _, _ := strings.Cut(firstLine(ctx, p.path, p.versionFlag), " Copyright")
	return cmp.Or(text, "unknown")
}

// firstLine is the first line that a command prints, whatever its exit status: wrk's is 1 when asked for its version.
func firstLine(ctx context.Context, name string, args ...string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil && len(out) == 0 {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return strings.TrimSpace(line)
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	return cmp.Or(parseCPUModel(string(text)), runtime.GOARCH)
}

// parseCPUModel is the name of the first CPU in the text of /proc/cpuinfo.
func parseCPUModel(text string) string {
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func kernel() string { return firstWords("/proc/sys/kernel/osrelease", 1) }

// firstWords is the first words of a file; "" is that it cannot be read.
func firstWords(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	words := strings.Fields(string(text))
	return strings.Join(words[:min(n, len(words))], " ")
}
