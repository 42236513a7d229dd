package store

import "context"

// truncateLog moves what the log (-wal) has into the file, and empties it.
const truncateLog = `PRAGMA wal_checkpoint(TRUNCATE)`

// forget leaves nothing on the disk of what was replaced or deleted: in the file SQLite has overwritten it with zeros (secure_delete),
// but the log still has the pages as they were before. What cannot be done now, as on a full disk or while another process reads, is
// done after the next transaction.
func (s *sqliteStore) forget() {
	var busy, inLog, moved int64
	err := s.db.QueryRowContext(context.Background(), truncateLog).Scan(&busy, &inLog, &moved)
	s.stale = err != nil || busy != 0
}
