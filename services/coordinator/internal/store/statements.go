package store

// nextEpoch begins a session.
const nextEpoch = `UPDATE session SET epoch = epoch + 1 RETURNING epoch`

// What is written, and what is read for that.
const (
	readEpoch = `SELECT epoch FROM session`
	runNumber = `SELECT number FROM runs WHERE id = ?`

	insertRun = `INSERT INTO runs (id, creator, request_id, request_hash, created, started, next_slot, given_up, cancelled, ended, report)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateRun = `UPDATE runs SET started = ?, next_slot = ?, given_up = ?, cancelled = ?, ended = ?, report = ? WHERE number = ?`
	deleteRun = `DELETE FROM runs WHERE number = ?`

	insertAbout = `INSERT INTO abouts (run, about) VALUES (?, ?)`
	updateAbout = `UPDATE abouts SET about = ?2 WHERE run = ?1 AND about IS NOT ?2`

	putShard = `INSERT INTO shards (run, shard, id, address, instance_id, lease_id, concurrency, changes, state, sequence, row_count,
			closed, acked, tally)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (run, shard) DO UPDATE SET id = excluded.id, address = excluded.address, instance_id = excluded.instance_id,
			lease_id = excluded.lease_id, concurrency = excluded.concurrency, changes = excluded.changes, state = excluded.state,
			sequence = excluded.sequence, row_count = excluded.row_count, closed = excluded.closed, acked = excluded.acked,
			tally = excluded.tally`
	putGrant = `INSERT INTO grants (run, shard, ordinal, first_slot, stride, slot_count) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (run, shard, ordinal) DO UPDATE SET first_slot = excluded.first_slot, stride = excluded.stride,
			slot_count = excluded.slot_count`
	putSecond = `INSERT INTO seconds (run, second, shard, tally) VALUES (?, ?, ?, ?)
		ON CONFLICT (run, second, shard) DO UPDATE SET tally = excluded.tally`
	deleteSeconds = `DELETE FROM seconds WHERE run = ? AND second <= ?`
	putInterval   = `INSERT INTO intervals (run, second, tally) VALUES (?, ?, ?)
		ON CONFLICT (run, second) DO UPDATE SET tally = excluded.tally`

	putRequest    = `INSERT OR REPLACE INTO requests (creator, request_id, run_id, hash, created) VALUES (?, ?, ?, ?, ?)`
	pruneRequests = `DELETE FROM requests WHERE place <= (SELECT max(place) FROM requests) - ?`
	pruneRuns     = `DELETE FROM runs WHERE number IN (
		SELECT number FROM runs WHERE ended IS NOT NULL ORDER BY ended DESC, number DESC LIMIT -1 OFFSET ?)`
)

// writing is the statements that a session prepares when it begins.
var writing = []string{
	readEpoch, runNumber, insertRun, updateRun, deleteRun, insertAbout, updateAbout, putShard, putGrant, putSecond, deleteSeconds,
	putInterval, putRequest, pruneRequests, pruneRuns,
}

// What is read. A head's columns are those that scanHead takes.
const (
	selectHead = `SELECT id, number, creator, request_id, request_hash, created, about, started, next_slot, given_up, cancelled, ended, report
		FROM runs LEFT JOIN abouts ON run = number`
	selectUnended = selectHead + ` WHERE ended IS NULL ORDER BY number`
	selectRun     = selectHead + ` WHERE id = ?`
	selectPage    = selectHead + ` WHERE number < ? ORDER BY number DESC LIMIT ?`

	selectShards = `SELECT shard, id, address, instance_id, lease_id, concurrency, changes, state, sequence, row_count, closed, acked,
			tally
		FROM shards WHERE run = ? ORDER BY shard`
	selectGrants    = `SELECT shard, ordinal, first_slot, stride, slot_count FROM grants WHERE run = ? ORDER BY shard, ordinal`
	selectSeconds   = `SELECT shard, second, tally FROM seconds WHERE run = ? ORDER BY second, shard`
	countIntervals  = `SELECT coalesce(max(second) + 1, 0) FROM intervals WHERE run = ?`
	selectIntervals = `SELECT second, tally FROM intervals WHERE run = ? AND second >= ? ORDER BY second LIMIT ?`
	selectRequest   = `SELECT run_id, hash FROM requests WHERE creator = ? AND request_id = ? AND created > ?`
)
