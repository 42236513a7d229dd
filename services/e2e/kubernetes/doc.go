// Package kubernetes proves the chart of services/deploy on a real cluster, with the ledger of an oracle target in a pod as the judge
// of every run. Everything is in its tests: nobody imports it.
//
// The cluster is a single node in a box of its own, which a folder of scripts beside this repository starts from Go modules and Debian
// packages in about 15 seconds, and which vanishes with the tests. It takes root, and cgroup v1. The first time its programs are built,
// which takes ten minutes on two cores; they are kept in the user's cache.
//
//	FANOUT_KUBERNETES=1 go test -count=1 -timeout 60m -v ./services/e2e/kubernetes
//	FANOUT_KUBERNETES=1 FANOUT_K8S=/path/to/folder go test …       with the scripts of another folder than ../shared/k8s
//	FANOUT_KUBERNETES=1 KEEP_LOGS=1 go test …                      keeps the logs of the cluster, as a failure does
//
// Without FANOUT_KUBERNETES=1, or where the machine has not got what the box takes, every test is skipped by name.
//
// The tests share one cluster and one release of the chart, and each of them first brings the release to the values that it needs. Runs
// are begun in a pod, the console, that has the chart's client certificate, and nothing else that others would not have. The judge is
// this package's own test binary in a pod.
package kubernetes
