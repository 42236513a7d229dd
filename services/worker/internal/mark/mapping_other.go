//go:build !linux && !darwin

package mark

import (
	"errors"
	"os"
)

// mapMark is never asked for: without the id of the boot no files are made.
func mapMark(*os.File, string) (*Mark, error) { return nil, errors.ErrUnsupported }

func unmap([]byte) error { return errors.ErrUnsupported }
