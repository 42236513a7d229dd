package store

// Options is how much a store keeps.
type Options struct {
	// Keep is how many ended runs are kept; those that ended first go. 0: 1,000.
	Keep int

	bytes    int  // how much the ended runs of a store in memory may have together; 0: 512 MiB
	requests int  // how many request_ids are remembered; 0: 100,000
	shared   bool // SQLite's file is not locked, so that a test can open it twice
	hasty    bool // SQLite does not wait for the disk, so that a long test is fast
}

// withDefaults puts the defaults in the place of zeros.
func (o Options) withDefaults() Options {
	if o.Keep <= 0 {
		o.Keep = 1000
	}
	if o.bytes <= 0 {
		o.bytes = 512 << 20 // a plan may have 3 MiB, and a day of seconds 20 MB: a thousand of them are more than a process has
	}
	if o.requests <= 0 {
		o.requests = 100_000
	}
	return o
}
