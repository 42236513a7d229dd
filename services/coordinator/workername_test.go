package coordinator

import "testing"

// A worker that a DNS name has found is verified by that name, and one of a list by what the list calls it, whatever the list was when
// its address was stored.
func TestNameOfAWorker(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ workers, address, want string }{
		{"dns:///workers:7070", "192.0.2.1:7070", "workers:7070"},
		{"dns:///workers:7070", "[2001:db8::1]:7070", "workers:7070"},
		{"dns:///workers:7070", "[fe80::1%eth0]:7070", "workers:7070"},
		{"dns:///workers:7070", "192.0.2.1:9999", "workers:7070"}, // of an earlier life with another port
		{"dns:///workers:7070", "worker-1:7070", "worker-1:7070"}, // of an earlier life with a list
		{"worker-1:7070,192.0.2.1:7070", "worker-1:7070", "worker-1:7070"},
		{"worker-1:7070,192.0.2.1:7070", "192.0.2.1:7070", "192.0.2.1:7070"},
		{"worker-1:7070", "192.0.2.9:7070", "192.0.2.9:7070"}, // of an earlier life with a name
	} {
		workers, err := ParseWorkers(tt.workers)
		if err != nil {
			t.Fatal(err)
		}
		if got := workers.nameOf(tt.address); got != tt.want {
			t.Errorf("%s: the name of %s is %q, want %q", tt.workers, tt.address, got, tt.want)
		}
	}
}
