package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every line of SECURITY.md on what is defended names its tests, and they are there.
func TestSecurityNamesItsTests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, defended, _ := strings.Cut(string(text), "## What is defended")
	defended, _, _ = strings.Cut(defended, "\n## ")
	named := regexp.MustCompile("`([a-z0-9]+)\\.((?:Test|Fuzz)\\w+)`")
	there := testsOfAllRooms(t)
	claims := 0
	for line := range strings.Lines(defended) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 2 || strings.TrimSpace(cells[0]) == "" || strings.HasPrefix(cells[0], "---") {
			continue
		}
		claims++
		found := named.FindAllStringSubmatch(cells[1], -1)
		if len(found) == 0 {
			t.Errorf("no test is named for %q", cells[0])
		}
		for _, test := range found {
			if !there[test[1]+"."+test[2]] {
				t.Errorf("%s.%s is not there, which is to show: %s", test[1], test[2], cells[0])
			}
		}
	}
	if claims < 30 {
		t.Errorf("SECURITY.md makes %d claims, want those of its tables", claims)
	}
}

// testsOfAllRooms is the tests of the services, each as folder.Test.
func testsOfAllRooms(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	there := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir, err := filepath.Abs(filepath.Dir(path))
		for _, test := range declared.FindAllStringSubmatch(string(text), -1) {
			there[filepath.Base(dir)+"."+test[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return there
}
