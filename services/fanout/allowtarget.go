package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/plan"
)

// allowTarget is the name of the flag for the targets that are allowed: of a worker those that it sends to, of a run or call those of the
// worker's that it keeps to.
const allowTarget = "allow-target"

// targetRules are the rules that the flag gives; it may be repeated, and have several of them separated by commas.
type targetRules struct{ texts []string }

func (r *targetRules) add(flags *pflag.FlagSet, usage string) {
	flags.Var(r, allowTarget, usage)
}

// String is the rules for the help text.
func (r *targetRules) String() string { return strings.Join(r.texts, ",") }

// Type is the value's name in the help text.
func (r *targetRules) Type() string { return "RULE" }

// Set reads the flag.
func (r *targetRules) Set(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		rule, err := egress.ParseRule(strings.TrimSpace(one))
		if err != nil {
			return fmt.Errorf("%q is not a rule for targets: %w", one, err)
		}
		r.texts = append(r.texts, rule.String())
	}
	return nil
}

// dialer is a worker's way to its targets: loopback alone without a rule.
func (r *targetRules) dialer() (*egress.Dialer, error) {
	policy, err := egress.ParsePolicy(r.texts)
	return &egress.Dialer{Policy: policy}, err
}

// narrow makes the plan keep to the rules.
func (r *targetRules) narrow(http *plan.HTTPOptions) error {
	if len(r.texts) > plan.MaxAllowedTargets {
		return fmt.Errorf("--%s gives %d rules, beyond the cap of %d; use fewer, as one CIDR for many addresses", allowTarget, len(r.texts), plan.MaxAllowedTargets)
	}
	http.AllowedTargets = r.texts
	return nil
}
