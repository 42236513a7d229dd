// Package preflight says before a run what the machine that sends it may lack: file descriptors, of which each connection is one,
// and local ports, of which each connection to one address takes its own. What it says are warnings; what becomes of the slots,
// their classes say.
package preflight

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/report"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// Machine is what a process has to open connections with.
type Machine struct {
	Files   int64 // that it may have open; 0: as many as it likes, or it is not known
	Senders int64 // that its worker takes at once
	Ports   int64 // local ports for connections to one address; 0: not known
}

// lingering is how long the system may keep a port from being used again after its connection has ended: TIME_WAIT, which is a
// minute on Linux. It does so on the side that closes first, which need not be ours.
const lingering = time.Minute

// Warnings is one sentence for each thing that the machine may lack to send its share of the plan (0 to 1) with so many requests at
// once at the most (0: as many as it takes). The plan need not have its defaults.
func Warnings(p *plan.Plan, atOnce int64, share float64, m Machine) []string {
	if p.Load.AllAtOnce() && atOnce == 0 {
		atOnce = int64(math.Ceil(slots(p) * share))
	}
	var all []string
	for _, warning := range []string{files(p, atOnce, share, m), ports(p, atOnce, share, m)} {
		if warning != "" {
			all = append(all, warning)
		}
	}
	return all
}

func files(p *plan.Plan, atOnce int64, share float64, m Machine) string {
	limited := m.Files > 0 && m.Senders < plan.DefaultCaps().Senders // by files, and not by what a worker takes anyway
	peak := peakRate(p.Load) * share
	switch {
	case !limited:
		return ""
	case atOnce > m.Senders:
		return fmt.Sprintf("this process may have %s files open, which is not enough for %s at once: raise the limit (ulimit -n), or ask for %s at most",
			report.Number(m.Files), report.Count(atOnce, "request"), report.Number(m.Senders))
	case p.Load.OpenLoop != nil && atOnce == 0 && peak > float64(m.Senders):
		return fmt.Sprintf("this process may have %s files open, and so %s at once: at %s a second slots will be late when the target takes longer than %v; raise the limit (ulimit -n)",
			report.Number(m.Files), report.Count(m.Senders, "request"), rate(peak), seconds(float64(m.Senders)/peak))
	default:
		return ""
	}
}

func ports(p *plan.Plan, atOnce int64, share float64, m Machine) string {
	each := p.HTTP.RequestsPerConnection
	if m.Ports == 0 || atOnce <= m.Ports && each == 0 {
		return "" // whatever the number of targets
	}
	available := m.Ports * int64(origins(p))
	const advice = "slots that find none will end as LOCAL_PORTS (see net.ipv4.ip_local_port_range)"
	if atOnce > available {
		return fmt.Sprintf("there are %s local ports for connections to the target, and %s at once need one each: %s",
			report.Number(available), report.Count(atOnce, "request"), advice)
	}
	if each == 0 {
		return ""
	}
	opened := slots(p) * share / float64(each)
	if p.Load.OpenLoop != nil {
		opened = min(opened, peakRate(p.Load)*share*lingering.Seconds()/float64(each))
	}
	if opened <= float64(available) || math.IsInf(opened, 1) { // without end nobody knows how many
		return ""
	}
	return fmt.Sprintf("there are %s local ports for connections to the target, each of which may be taken for a minute after its connection, and %s new connections in that time may need more: %s",
		report.Number(available), report.Number(int64(opened)), advice)
}

// slots is how many slots the plan has, infinite if nothing that is known ends it.
func slots(p *plan.Plan) float64 {
	n := schedule.New(p).Slots()
	if n == schedule.Unbounded {
		return math.Inf(1)
	}
	return float64(n)
}

// peakRate is the greatest rate of an open loop; 0 of any other load.
func peakRate(l plan.Load) float64 {
	peak := 0.0
	if l.OpenLoop != nil {
		for _, s := range l.OpenLoop.Stages {
			peak = max(peak, s.Rate, s.RateAtEnd())
		}
	}
	return peak
}

// origins is how many targets the plan has, by what its URLs say.
func origins(p *plan.Plan) int {
	seen := map[string]bool{}
	for i := range p.Requests {
		if u, err := url.Parse(p.Requests[i].URL); err == nil {
			seen[u.Scheme+"://"+u.Host] = true
		}
	}
	return max(len(seen), 1)
}

func rate(r float64) string {
	if r >= 100 {
		return report.Number(int64(math.Round(r)))
	}
	return strconv.FormatFloat(r, 'g', 3, 64)
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond)
}
