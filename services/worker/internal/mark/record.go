package mark

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Limits of a record's fields, in bytes.
const (
	maxBootID  = 64  // a UUID in text is 36
	maxLeaseID = 512 // far more than workers make up
)

const (
	version = 1

	// foundOffset and countersOffset say where these parts of a record lie.
	foundOffset    = 16
	countersOffset = 5 * line
	recordSize     = countersOffset + 2*line

	// A state directory may hold what is not ours: only files that are called like this are read or removed.
	namePrefix  = "lease-"
	nameSuffix  = ".mark"
	draftSuffix = ".draft"
)

var magic = [8]byte{'f', 'a', 'n', 'm', 'a', 'r', 'k', '\n'}

// order is that of the machine: the counters are written by its processor, and no file is read after another boot.
var order = binary.NativeEndian

// record is a mark's file, byte by byte.
type record struct {
	Magic       [8]byte
	Version     uint32
	LeaseLength uint32
	Found       int64 // when a later process found it dead, in Unix seconds; 0: its own process may live
	Boot        [maxBootID]byte
	Lease       [maxLeaseID]byte
	_           [countersOffset - foundOffset - 8 - maxBootID - maxLeaseID]byte
	Claimed     int64
	_           [line - 8]byte
	Granted     int64
	_           [line - 8]byte
}

// newRecord is the record of a lease that has claimed nothing.
func newRecord(leaseID, bootID string) (*record, error) {
	if leaseID == "" || len(leaseID) > maxLeaseID {
		return nil, fmt.Errorf("a lease id has 1 to %d bytes, this one %d", maxLeaseID, len(leaseID))
	}
	r := &record{Magic: magic, Version: version, LeaseLength: uint32(len(leaseID)), Boot: bootField(bootID)}
	copy(r.Lease[:], leaseID)
	return r, nil
}

// readRecord reads a file that a process of this boot made; the error of any other says what is wrong with it.
func readRecord(path, bootID string) (*record, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() != recordSize { // to open a pipe would wait for a writer
		return nil, fmt.Errorf("a mark is a file of %d bytes, this is %v of %d", recordSize, info.Mode(), info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(record)
	if _, err := binary.Decode(data, order, r); err != nil {
		return nil, err
	}
	return r, r.check(filepath.Base(path), bootID)
}

func (r *record) check(name, bootID string) error {
	switch {
	case r.Magic != magic || r.Version != version:
		return fmt.Errorf("no mark of version %d", version)
	case r.Boot != bootField(bootID):
		return fmt.Errorf("the mark of another boot")
	case r.LeaseLength > maxLeaseID || name != nameOf(r.lease()):
		return fmt.Errorf("not the mark of the lease that it is named for")
	case r.Claimed < 0 || r.Granted < 0:
		return fmt.Errorf("a mark that has counted %d of %d", r.Claimed, r.Granted)
	}
	return nil
}

func (r *record) lease() string { return string(r.Lease[:r.LeaseLength]) }

func (r *record) count() Count { return Count{Claimed: min(r.Claimed, r.Granted), Granted: r.Granted} }

// create makes the record's file. It is filled, then renamed, so that no half of one is ever read; and its blocks are written,
// so that a disk that fills up later does not kill the process that touches the mapping. The draft is also what keeps two callers
// with one lease apart. The file is open for reading and writing.
func (r *record) create(path string) (*os.File, error) {
	data, err := binary.Append(make([]byte, 0, recordSize), order, r)
	if err != nil {
		return nil, err
	}
	draft := strings.TrimSuffix(path, nameSuffix) + draftSuffix
	file, err := os.OpenFile(draft, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := fill(file, data, path); err != nil {
		_ = file.Close() // what matters is why it could not be filled
		_ = os.Remove(draft)
		return nil, err
	}
	return file, nil
}

func fill(draft *os.File, data []byte, path string) error {
	if _, err := draft.Write(data); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	return os.Rename(draft.Name(), path)
}

// setFound writes down when the mark was found dead.
func setFound(path string, unixSeconds int64) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // the write has already said what failed
	_, err = file.WriteAt(order.AppendUint64(nil, uint64(unixSeconds)), foundOffset)
	return err
}

// nameOf is the name of a lease's file, whatever bytes its id has.
func nameOf(leaseID string) string {
	sum := sha256.Sum256([]byte(leaseID))
	return namePrefix + hex.EncodeToString(sum[:]) + nameSuffix
}

// isOurs says whether this package made the file of that name.
func isOurs(name string) bool {
	return strings.HasPrefix(name, namePrefix) && (strings.HasSuffix(name, nameSuffix) || strings.HasSuffix(name, draftSuffix))
}

func bootField(bootID string) (field [maxBootID]byte) {
	copy(field[:], bootID)
	return field
}
