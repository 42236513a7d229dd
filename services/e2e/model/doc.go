// Package model drives the real coordinator and the real workers through random faults in fake time, and holds what they say against
// a target's ledger and the store. Everything is in its tests: nobody imports it.
//
// One case is a bubble of testing/synctest. A world in it has workers that live, are killed and start again, lives of a coordinator
// on one store, a network between them that delays, loses, repeats and breaks, and a target that keeps a ledger of every slot that
// reached it. rapid draws the scenario: the load, the network's manners, and a list of what befalls whom and when. A judge checks
// every snapshot of the run, every grant on its way, every request at the target, and the end.
//
// What is random within a case comes from seeded dice, but goroutines that are ready at the same moment of fake time run in the
// order that the scheduler likes. So a seed repeats a case nearly, and the trace that a failure prints is the one of that failure.
//
//	go test ./services/e2e/model                                   200 cases
//	FANOUT_MODEL_CASES=10000 go test -timeout 2h ./services/e2e/model
//	FANOUT_MODEL_FAULTS=gentle go test ./services/e2e/model        no worker is lost, and no message
//	go test ./services/e2e/model -run TestModel/poisson -rapid.seed=7
package model
