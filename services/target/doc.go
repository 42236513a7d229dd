// Package target holds what load is sent at.
//
// [Demo] is the server of `fanout target` and of the demonstration: it sleeps, counts and says so. It is an ordinary
// net/http server and does what a polite server does.
//
// [Oracle] is the server of the tests: it keeps a [Ledger] of every request that it has read, and misbehaves by script: it
// resets, truncates, stalls, floods and lies on demand, on the raw connection, because no HTTP server library can be made
// to. Its ledger is the truth that a run's report is held against: a request that is counted there was delivered, whatever
// its sender believes.
//
// Neither is meant for a network that others share. An oracle believes what it is asked for and bounds none of it (bytes,
// redirects, delays), and both listen where they are told to.
package target
