package outcome

import (
	"slices"
	"testing"
)

// Each class has a name of its own, and is in the list of all classes once.
func TestClasses(t *testing.T) {
	t.Parallel()
	const gaps = 2 // numbers below ClassCount, beside 0, that are no class: 33, 34
	all := Classes()
	if got, want := len(all), ClassCount-1-gaps; got != want {
		t.Errorf("Classes() = %d classes, want %d", got, want)
	}
	if got := all[len(all)-1]; got != ClassCount-1 {
		t.Errorf("the last of Classes() = %v, want the one before ClassCount", got)
	}
	names := map[string]Class{"UNSPECIFIED": NoError}
	for i, c := range all {
		if i > 0 && c <= all[i-1] {
			t.Errorf("Classes()[%d] = %d after %d, want them in order", i, c, all[i-1])
		}
		if other, taken := names[c.String()]; taken {
			t.Errorf("Class(%d).String() = %q, as of %d, want a name of its own", c, c, other)
		}
		names[c.String()] = c
	}
}

// What is no class or reason has the name of none.
func TestUnknownNames(t *testing.T) {
	t.Parallel()
	for _, c := range []Class{NoError, 33, 34, ClassCount, 255} {
		if got := c.String(); got != "UNSPECIFIED" {
			t.Errorf("Class(%d).String() = %q, want UNSPECIFIED", c, got)
		}
	}
	for _, r := range []Reason{Sent, ReasonCount, 255} {
		if got := r.String(); got != "UNSPECIFIED" {
			t.Errorf("Reason(%d).String() = %q, want UNSPECIFIED", r, got)
		}
	}
}

// Each reason that has a name is in the list of all reasons, and its name is its own.
func TestReasons(t *testing.T) {
	t.Parallel()
	var want []Reason
	names := map[string]bool{"UNSPECIFIED": true}
	for r, name := range reasonNames {
		if name == "" {
			continue
		}
		if names[name] {
			t.Errorf("Reason(%d).String() = %q, want a name of its own", r, name)
		}
		names[name] = true
		want = append(want, Reason(r))
	}
	if got := Reasons(); !slices.Equal(got, want) {
		t.Errorf("Reasons() = %v, want %v", got, want)
	}
}

// A request is not delivered while there is no connection, and was delivered once an answer began.
func TestDelivery(t *testing.T) {
	t.Parallel()
	want := map[Class]Delivery{
		PolicyBlocked: NotDelivered, PolicyRedirect: Delivered,
		Cancelled: MaybeDelivered, RunDeadline: MaybeDelivered, LeaseLost: MaybeDelivered, Shutdown: MaybeDelivered,
		LocalFiles: NotDelivered, LocalPorts: NotDelivered, LocalMemory: NotDelivered, LocalDenied: NotDelivered,
		DNSNotFound: NotDelivered, DNSTimeout: NotDelivered, DNSOther: NotDelivered,
		DialRefused: NotDelivered, DialUnreachable: NotDelivered, DialTimeout: NotDelivered, DialOther: NotDelivered,
		TLSVerify: NotDelivered, TLSHostname: NotDelivered, TLSNotTLS: NotDelivered, TLSAlert: NotDelivered, TLSTimeout: NotDelivered,
		TimeoutWrite: MaybeDelivered, TimeoutFirstByte: MaybeDelivered, TimeoutBody: Delivered, TimeoutTotal: MaybeDelivered,
		ConnClosedIdle: MaybeDelivered, ConnReset: MaybeDelivered, ConnEOF: MaybeDelivered, ConnPipe: MaybeDelivered,
		ProtoMalformed: Delivered, ProtoHeadTooLarge: Delivered,
		BodyTruncated: Delivered, BodyTooLarge: Delivered, BodyReset: Delivered, BodyChunk: Delivered,
		Panic: MaybeDelivered, Other: MaybeDelivered,
	}
	for _, c := range Classes() {
		delivery, listed := want[c]
		if !listed {
			t.Errorf("%v.Delivery() is not in the table, want every class there", c)
		} else if got := c.Delivery(); got != delivery {
			t.Errorf("%v.Delivery() = %d, want %d", c, got, delivery)
		}
	}
}
