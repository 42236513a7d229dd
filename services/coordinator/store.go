package coordinator

import (
	"context"

	"github.com/fanout-load/fanout/services/coordinator/internal/store"
)

// Store is where a coordinator keeps its runs. The zero value is none.
type Store struct {
	session  store.Store
	durable  bool // it outlives the process
	readOnly bool
}

// OpenStore opens the store in a file, which is made if it is not there, and in which the newest keep runs that have ended are kept
// (0: 1,000). Its owner closes it. The error is one sentence with the path and what to do.
func OpenStore(ctx context.Context, path string, keep int) (Store, error) {
	session, err := store.OpenSQLite(ctx, path, store.Options{Keep: keep})
	return Store{session: session, durable: true}, err
}

// OpenStoreReadOnly opens the store in a file, to look at it.
func OpenStoreReadOnly(ctx context.Context, path string) (Store, error) {
	session, err := store.OpenReadOnly(ctx, path)
	return Store{session: session, readOnly: true}, err
}

// MemoryStore makes a store that ends with the process, in which the newest keep runs that have ended are kept (0: 1,000).
func MemoryStore(keep int) Store {
	session, err := NewMemory(keep).Open(context.Background())
	if err != nil {
		panic(err) // a memory without sessions takes any
	}
	return session
}

// Memory is a store in memory that outlives its coordinators.
type Memory struct{ memory *store.Memory }

// NewMemory makes one; keep as for OpenStore.
func NewMemory(keep int) Memory { return Memory{store.NewMemory(store.Options{Keep: keep})} }

// Open begins a coordinator's session. Runs that go on when the coordinator closes are left to their leases only if durable is
// called on it.
func (m Memory) Open(ctx context.Context) (Store, error) {
	session, err := m.memory.Open(ctx)
	return Store{session: session}, err
}

// Durable is the store as one that outlives the coordinator.
func (s Store) Durable() Store {
	s.durable = true
	return s
}

// Close ends the session.
func (s Store) Close() error {
	if s.session == nil {
		return nil
	}
	return s.session.Close()
}
