package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/fstest"
)

// builtFor is where the programs of the cluster are kept that this Go builds of these sources; it is made if it is not there.
func builtFor(source string) (string, error) {
	sum, err := sumOf(os.DirFS(source))
	if err != nil {
		return "", fmt.Errorf("reading the cluster's sources: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("a cluster's programs are kept in the user's cache: %w", err)
	}
	built := filepath.Join(cache, "fanout-kubernetes", sum, "bin")
	return built, os.MkdirAll(built, 0o755)
}

// sumOf is a sum of all files, with their names, and of the Go that these tests are built with.
func sumOf(sources fs.FS) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version())
	err := fs.WalkDir(sources, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(sources, path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(content), content)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil))[:16], err
}

// What was built of other sources is not used.
func TestSumOfSources(t *testing.T) {
	t.Parallel()
	of := func(files fstest.MapFS) string {
		sum, err := sumOf(files)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	file := func(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }
	sum := of(fstest.MapFS{"go.mod": file("a"), "app/main.go": file("b")})
	if again := of(fstest.MapFS{"go.mod": file("a"), "app/main.go": file("b")}); again != sum {
		t.Errorf("the same sources have the sums %s and %s", sum, again)
	}
	for name, other := range map[string]fstest.MapFS{
		"another content": {"go.mod": file("a"), "app/main.go": file("c")},
		"another name":    {"go.mod": file("a"), "app/main.gone": file("b")},
		"a file more":     {"go.mod": file("a"), "app/main.go": file("b"), "x": file("")},
		"moved bytes":     {"go.mod": file("ab"), "app/main.go": file("")},
	} {
		if of(other) == sum {
			t.Errorf("%s does not change the sum", name)
		}
	}
}
