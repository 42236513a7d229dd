package store

import "errors"

// The errors of a store. What its functions return says more, in one sentence; errors.Is finds these in it.
var (
	// ErrFenced says that another session has begun with the store: whoever gets it has to end.
	ErrFenced = errors.New("another coordinator has taken over the store")
	// ErrNoRun says that no such run is stored.
	ErrNoRun = errors.New("no such run is stored")
	// ErrInUse says that another coordinator has the store open.
	ErrInUse = errors.New("the store is in use by another coordinator")
	// ErrCorrupt says that the file is damaged, or is not a store.
	ErrCorrupt = errors.New("the store is damaged, or is not one")
	// ErrNewer says that a newer program has written the store.
	ErrNewer = errors.New("the store is newer than this program")
	// ErrReadOnly says that the store cannot be written, or was opened for reading only.
	ErrReadOnly = errors.New("the store cannot be written")
	// ErrFull says that the disk is full. A change that failed with it can be tried again when there is room.
	ErrFull = errors.New("the store's disk is full")
	// ErrClosed says that the session was closed.
	ErrClosed = errors.New("the store is closed")
)
