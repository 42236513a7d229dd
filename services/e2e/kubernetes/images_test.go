package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
)

// root is the repository, from this package.
const root = "../../.."

// The images of the tests. The second version is what a release is upgraded to; it differs in nothing but its name.
const (
	repository = "fanout-test/fanout"
	one, two   = "1.0.0-one", "1.0.0-two"
	judgeImage = "fanout-test/judge:1"
)

// judgeUser is who the judge runs as, as its pod says.
const judgeUser = "65532:65532"

// images builds fanout and the judge of this tree, and loads their images into the cluster.
func (b *box) images() error {
	for _, version := range []string{one, two} {
		if err := b.image(version); err != nil {
			return err
		}
	}
	program := filepath.Join(b.dir, "built", "judge")
	if err := build("test", "-c", "-o", program, "."); err != nil {
		return err
	}
	return b.load(judgeImage, program, judgeUser, `["/judge"]`)
}

// image builds fanout of this tree as a version, with more flags of go build, and loads its image.
func (b *box) image(version string, flags ...string) error {
	user, entrypoint, err := dockerfile()
	if err != nil {
		return err
	}
	program := filepath.Join(b.dir, "built", version, "fanout")
	args := slices.Concat([]string{"build", "-ldflags", "-s -w -X main.version=" + version, "-o", program}, flags, []string{"../../fanout"})
	if err := build(args...); err != nil {
		return err
	}
	return b.load(repository+":"+version, program, user, entrypoint)
}

// build runs go build or go test -c for a static program.
func build(args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	_, err := mustRun(cmd)
	return err
}

// load makes an image of one program, as of FROM scratch and COPY, and loads it.
func (b *box) load(image, program, user, entrypoint string) error {
	_, err := mustRun(b.script(context.Background(), "load.sh", "ENTRYPOINT="+entrypoint, image, program, user))
	return err
}

var (
	dockerUser       = regexp.MustCompile(`(?m)^USER (\S+)$`)
	dockerEntrypoint = regexp.MustCompile(`(?m)^ENTRYPOINT (\[.*\])$`)
)

// dockerfile is what the Dockerfile says of the user and the program: there is no Docker here, and the images are made as it says.
func dockerfile() (user, entrypoint string, err error) {
	text, err := os.ReadFile(filepath.Join(root, "services/deploy/Dockerfile"))
	if err != nil {
		return "", "", fmt.Errorf("the images are made as the Dockerfile says: %w", err)
	}
	u, e := dockerUser.FindSubmatch(text), dockerEntrypoint.FindSubmatch(text)
	if u == nil || e == nil {
		return "", "", errors.New("the Dockerfile has no USER, or no ENTRYPOINT in brackets")
	}
	return string(u[1]), string(e[1]), nil
}
