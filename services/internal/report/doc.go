// Package report shows a run, and single outcomes, to people and to programs: as text for a terminal, as one line of
// progress, and as JSON. It only formats: it knows no proto, no clock, no terminal and no flag. The command calls it, and
// whoever else hands a run to somebody.
//
// # Text
//
// Every string that a target or a caller can have written goes through clean first, so that neither can move the cursor,
// colour the terminal, reorder a line or fake one of ours. The text is for people and may change; programs read the JSON.
//
// # JSON
//
// Names are the proto's in lowerCamel. Enums go without their prefix, times are RFC 3339 in UTC, durations are seconds, and
// every number is a JSON number. Lists, maps, counts and latencies are always there, if empty; a scalar or an object that
// was not given is absent. schemaVersion goes up when a key changes its meaning or goes; new keys may come without.
// Characters that could act on a terminal are written as \u escapes, which every reader turns back.
//
// The report of a run (JSON):
//
//	schemaVersion           1
//	id, name                strings; name may be ""
//	creator                 who created it, by the name of a token or a certificate; "": nobody was asked for one
//	labels                  {"key": "value"}
//	plan                    {requests, load, http, outcomes}, see below; absent when the run carries none
//	state                   STARTING | RUNNING | STOPPING | ENDED
//	verdict                 UNSPECIFIED (not ended) | PASSED | FAILED | INCOMPLETE | CANCELLED
//	verdictReason           one sentence; "" for a run that passed or goes on
//	limitedBy               UNSPECIFIED (not ended, nothing sent, or cut short) | TARGET | GENERATOR | SCHEDULE
//	limitedReason           one sentence; "" with SCHEDULE
//	onWorkerLoss            REASSIGN | CONTINUE | FAIL; UNSPECIFIED: not said
//	createTime              time
//	startTime               time; absent: nothing was sent
//	startSpreadDuration     seconds between the first and the last worker's startOffset; absent: fewer than two are known
//	endTime                 time; absent: it goes on
//	counts                  {planned, pending, inFlight, responses, errors, notSent, unknown}; the first is the sum of the others
//	responsesByStatus       {"200": 10}
//	errors                  [{class, count, examples: ["…"]}], most frequent first
//	notSent                 [{reason, count}], most frequent first
//	sentBytes               of request bodies
//	receivedBytes           of response bodies
//	serviceTime             latency: sent to last byte, of responses
//	responseTime            latency: due to last byte, of responses
//	lateness                latency: due to sent, of responses and errors
//	firstByteTime           latency: sent to first byte, of responses
//	foldedCount             outcomes that are in the counts and in no batch
//	recordsCount            outcomes that are in the counts and in a batch
//	lostCount               of those, the ones whose batch did not arrive because a stream broke
//	streamStalledDuration   seconds in which senders waited for the stream
//	groups                  {"name": {the keys from counts to streamStalledDuration}}
//	workers                 [{address, instanceId, startOffset (seconds), the keys from counts to streamStalledDuration,
//	                        failure: {class, message}, effort: {cpuShare, senderCount, heldBackCount, cappedCount,
//	                        grantWaitDuration, startLatenessDuration}}]; startOffset is absent when it is not known, failure
//	                        when the worker finished, or still runs, and effort until it has
//
// Runs in a list (ListJSON) are {"runs": […]}, each the report's keys from schemaVersion to counts. Checks of a run (ChecksJSON)
// are {runId, ok, checks: [{name, ok, detail}]}, of which the first ok is whether all hold.
//
// A latency:
//
//	count                   number of values; with 0 all others are 0
//	sum, min, mean, max     seconds, exact to the nanosecond
//	p50, p75, p90, p95, p99, p999
//	                        seconds, to three significant digits
//	clampedCount            values beyond 1 hour
//	buckets                 base64 of the HdrHistogram V2 payload, uncompressed, in microseconds; only where it is carried
//
// The plan:
//
//	requests                [{url, method, headers: [{name, value}], body: {text | data}, weight, timeout, group}]
//	load                    {requests, duration, graceDuration, closedLoop: {concurrency} |
//	                        openLoop: {stages: [{ratePerSecond, endRatePerSecond, duration}], maxConcurrency,
//	                        poisson: {seed}, maxLateness}}; without endRatePerSecond a stage is constant, without poisson
//	                        slots are due at equal distances
//	http                    {timeout, dialTimeout, tlsTimeout, firstByteTimeout, maxRedirects,
//	                        tls: {insecureSkipVerify, serverName, caPem, certPem}, slotHeader, requestsPerConnection,
//	                        engine: HTTP1 | STD, allowedTargets: ["…"]}
//	outcomes                {detail: EVERY | TALLY_ONLY, body: {maxBytes}, headers: ["…"], slowStream: WAIT | FOLD}
//
// Header values but Host's, bodies and the query of a URL read "[redacted]", but references to secrets (${env:NAME}) are shown as
// they are; its userinfo reads "redacted", and its fragment is left out.
//
// One outcome, a line each (OutcomeJSON):
//
//	slot, request, status   numbers; status 0: no head arrived
//	error                   class; absent: no error
//	notSent                 reason; absent: it was sent
//	due                     seconds from the run's start
//	lateness, serviceTime   seconds; absent: it was not sent
//	firstByteTime           seconds; absent: no byte arrived
//	sentBytes, receivedBytes
//	connection              {peerAddress, protocol, dns, dial, tls, tlsResumed}, the times in seconds, tlsResumed absent unless
//	                        it is true; absent: none was opened
//	errorMessage            absent without an error
//	headers                 [{name, value}]; absent: none
//	body                    {text | data, truncated}; data is base64; absent: not asked for
//	redirectCount           absent: none
//
// The counts of a call, on the last line (CallJSON): counts, elapsed (seconds), and the report's keys from
// responsesByStatus to groups. It is the line that has "counts"; those before it have "slot".
package report
