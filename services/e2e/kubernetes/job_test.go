package kubernetes

import (
	"strings"
	"testing"
	"time"
)

// jobEnded waits for the end of a release's Job, whose one pod has one container, and returns its exit code and all it said.
func (b *box) jobEnded(t *testing.T, instance string) (exit int, log string) {
	t.Helper()
	type job struct {
		Metadata struct{ Name string }
		Status   struct{ Succeeded, Failed int }
	}
	var list struct{ Items []job }
	eventually(t, 4*time.Minute, "the release has one Job, which has ended", func() bool {
		list.Items = nil
		b.get(t, &list, "job", "-l", labelsOf(instance, "run"))
		return len(list.Items) == 1 && list.Items[0].Status.Succeeded+list.Items[0].Status.Failed > 0
	})
	pods := b.podsWith(t, "batch.kubernetes.io/job-name="+list.Items[0].Metadata.Name)
	if len(pods) != 1 || pods[0].Status.ContainerStatuses[0].State.Terminated == nil {
		t.Fatalf("the Job has %d pods, want one, which has ended: a run is not repeated", len(pods))
	}
	exit = pods[0].Status.ContainerStatuses[0].State.Terminated.ExitCode
	if succeeded := list.Items[0].Status.Succeeded == 1; succeeded != (exit == 0) {
		t.Errorf("the Job succeeded: %v, and its run ended with exit code %d", succeeded, exit)
	}
	return exit, b.kubectl(t, "logs", pods[0].Metadata.Name)
}

// reportIn is the report in a log, in which what the run said on standard error stands too.
func reportIn(t *testing.T, log string) *report {
	t.Helper()
	begin, end := strings.Index(log, "{\n"), strings.LastIndex(log, "}")
	if begin < 0 || end < begin {
		t.Fatalf("there is no report in the log:\n%s", log)
	}
	return parse(t, log[begin:end+1])
}

// A Job that is deleted in mid-run cancels its run, as Ctrl-C does: the workers stop, and the account is complete.
func TestJobDeleted(t *testing.T) {
	b := installed(t)
	b.ask(t, "reset")
	b.upgrade(t, "--set", "run.url="+judgeURL+"/ok", "--set-json", `run.args=["-q","300","-z","60s","--slot-header"]`)
	eventually(t, time.Minute, "300 requests have arrived", func() bool { return b.ask(t, "state").Total >= 300 })
	b.kubectl(t, "delete", "job", "-l", labels("run"))
	var found *report
	eventually(t, settled, "the run has ended", func() bool {
		found = b.latest(t)
		return found != nil && found.Verdict != "UNSPECIFIED"
	})
	found.check(t, exitCodes["CANCELLED"])
	b.hold(t, found)
	if found.Verdict != "CANCELLED" || found.Counts.Unknown != 0 || found.Counts.NotSent == 0 {
		t.Errorf("the run is %s (%s), %+v, want CANCELLED, and nothing unknown", found.Verdict, found.VerdictReason, found.Counts)
	}
	seen := b.ask(t, "state").Total
	time.Sleep(2 * time.Second)
	if later := b.ask(t, "state").Total; later != seen {
		t.Errorf("%d requests arrived after the run's end", later-seen)
	}
}
