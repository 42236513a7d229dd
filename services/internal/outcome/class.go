package outcome

// Class is why a slot has no whole response although it was sent, or was about to be. The list is closed. The numbers are
// those of fanout.v1.ErrorClass, which a test of package wire holds.
type Class uint8

// The classes. fanout.v1.ErrorClass says what each means.
const (
	NoError           Class = 0
	PolicyBlocked     Class = 1
	PolicyRedirect    Class = 2
	Cancelled         Class = 3
	RunDeadline       Class = 4
	LeaseLost         Class = 5
	Shutdown          Class = 6
	LocalFiles        Class = 7
	LocalPorts        Class = 8
	LocalMemory       Class = 9
	LocalDenied       Class = 10
	DNSNotFound       Class = 11
	DNSTimeout        Class = 12
	DNSOther          Class = 13
	DialRefused       Class = 14
	DialUnreachable   Class = 15
	DialTimeout       Class = 16
	DialOther         Class = 17
	TLSVerify         Class = 18
	TLSHostname       Class = 19
	TLSNotTLS         Class = 20
	TLSAlert          Class = 21
	TLSTimeout        Class = 22
	TimeoutWrite      Class = 23
	TimeoutFirstByte  Class = 24
	TimeoutBody       Class = 25
	TimeoutTotal      Class = 26
	ConnClosedIdle    Class = 27
	ConnReset         Class = 28
	ConnEOF           Class = 29
	ConnPipe          Class = 30
	ProtoMalformed    Class = 31
	ProtoHeadTooLarge Class = 32
	BodyTruncated     Class = 35
	BodyReset         Class = 36
	BodyTooLarge      Class = 37
	BodyChunk         Class = 38
	Panic             Class = 39
	Other             Class = 40

	// ClassCount is one more than the greatest class: the length of a table by class.
	ClassCount = 41
)

var classNames = [ClassCount]string{
	PolicyBlocked: "POLICY_BLOCKED", PolicyRedirect: "POLICY_REDIRECT",
	Cancelled: "CANCELLED", RunDeadline: "RUN_DEADLINE", LeaseLost: "LEASE_LOST", Shutdown: "SHUTDOWN",
	LocalFiles: "LOCAL_FILES", LocalPorts: "LOCAL_PORTS", LocalMemory: "LOCAL_MEMORY", LocalDenied: "LOCAL_DENIED",
	DNSNotFound: "DNS_NOT_FOUND", DNSTimeout: "DNS_TIMEOUT", DNSOther: "DNS_OTHER",
	DialRefused: "DIAL_REFUSED", DialUnreachable: "DIAL_UNREACHABLE", DialTimeout: "DIAL_TIMEOUT", DialOther: "DIAL_OTHER",
	TLSVerify: "TLS_VERIFY", TLSHostname: "TLS_HOSTNAME", TLSNotTLS: "TLS_NOT_TLS", TLSAlert: "TLS_ALERT", TLSTimeout: "TLS_TIMEOUT",
	TimeoutWrite: "TIMEOUT_WRITE", TimeoutFirstByte: "TIMEOUT_FIRST_BYTE", TimeoutBody: "TIMEOUT_BODY", TimeoutTotal: "TIMEOUT_TOTAL",
	ConnClosedIdle: "CONN_CLOSED_IDLE", ConnReset: "CONN_RESET", ConnEOF: "CONN_EOF", ConnPipe: "CONN_PIPE",
	ProtoMalformed: "PROTO_MALFORMED", ProtoHeadTooLarge: "PROTO_HEAD_TOO_LARGE",
	BodyTruncated: "BODY_TRUNCATED", BodyReset: "BODY_RESET", BodyTooLarge: "BODY_TOO_LARGE", BodyChunk: "BODY_CHUNK",
	Panic: "PANIC", Other: "OTHER",
}

// String is the class's name in the API, without its prefix.
func (c Class) String() string {
	if c < ClassCount && classNames[c] != "" {
		return classNames[c]
	}
	return "UNSPECIFIED"
}

// Classes is every class but NoError, in order.
func Classes() []Class {
	var all []Class
	for c, name := range classNames {
		if name != "" {
			all = append(all, Class(c))
		}
	}
	return all
}

// Delivery says whether the target may have got a request that ended in an error.
type Delivery uint8

// What is known about delivery.
const (
	NotDelivered Delivery = iota
	MaybeDelivered
	Delivered
)

// Delivery is what the class says about delivery. For classes whose answer depends on the phase (CANCELLED, RUN_DEADLINE,
// LEASE_LOST, SHUTDOWN, TIMEOUT_TOTAL) it is MaybeDelivered.
func (c Class) Delivery() Delivery {
	switch c {
	case PolicyBlocked, LocalFiles, LocalPorts, LocalMemory, LocalDenied, DNSNotFound, DNSTimeout, DNSOther,
		DialRefused, DialUnreachable, DialTimeout, DialOther, TLSVerify, TLSHostname, TLSNotTLS, TLSAlert, TLSTimeout:
		return NotDelivered
	case PolicyRedirect, TimeoutBody, ProtoMalformed, ProtoHeadTooLarge, BodyTruncated, BodyReset, BodyTooLarge, BodyChunk:
		return Delivered
	default:
		return MaybeDelivered
	}
}

// Reason is why a slot was never sent. The list is closed; the numbers are those of fanout.v1.NotSentReason.
type Reason uint8

// The reasons. fanout.v1.NotSentReason says what each means.
const (
	Sent                 Reason = 0
	NotSentLate          Reason = 1
	NotSentCancelled     Reason = 2
	NotSentRunEnded      Reason = 3
	NotSentLeaseLost     Reason = 4
	NotSentWorkerLost    Reason = 5
	NotSentPolicyBlocked Reason = 6
	ReasonCount                 = 7 // the length of a table by reason
)

var reasonNames = [ReasonCount]string{
	NotSentLate: "LATE", NotSentCancelled: "CANCELLED", NotSentRunEnded: "RUN_ENDED", NotSentLeaseLost: "LEASE_LOST",
	NotSentWorkerLost: "WORKER_LOST", NotSentPolicyBlocked: "POLICY_BLOCKED",
}

// String is the reason's name in the API, without its prefix.
func (r Reason) String() string {
	if r < ReasonCount && reasonNames[r] != "" {
		return reasonNames[r]
	}
	return "UNSPECIFIED"
}

// Reasons is every reason but Sent, in order.
func Reasons() []Reason {
	return []Reason{NotSentLate, NotSentCancelled, NotSentRunEnded, NotSentLeaseLost, NotSentWorkerLost, NotSentPolicyBlocked}
}
