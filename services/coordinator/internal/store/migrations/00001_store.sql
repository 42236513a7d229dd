-- Times are Unix nanoseconds; NULL is no time. Bytes that are NULL are no message.

-- +goose Up

-- The number of the newest session; every transaction that writes compares it with its own.
CREATE TABLE session (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL
) STRICT;
INSERT INTO session (one, epoch) VALUES (1, 0);

CREATE TABLE runs (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT    NOT NULL UNIQUE,
    request_id   TEXT    NOT NULL,
    request_hash TEXT    NOT NULL,
    created      INTEGER,
    started      INTEGER,
    next_slot    INTEGER NOT NULL,
    given_up     INTEGER NOT NULL,
    cancelled    TEXT    NOT NULL,
    ended        INTEGER,
    report       BLOB
) STRICT;
CREATE INDEX runs_ended ON runs (ended, number) WHERE ended IS NOT NULL;
CREATE INDEX runs_unended ON runs (number) WHERE ended IS NULL;

-- What a run was created with is large and does not change; the run's own row is written every second.
CREATE TABLE abouts (
    run   INTEGER PRIMARY KEY REFERENCES runs (number) ON DELETE CASCADE,
    about BLOB
) STRICT;

CREATE TABLE shards (
    run         INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    shard       INTEGER NOT NULL,
    id          TEXT    NOT NULL,
    address     TEXT    NOT NULL,
    instance_id TEXT    NOT NULL,
    lease_id    TEXT    NOT NULL,
    concurrency INTEGER NOT NULL,
    changes     INTEGER NOT NULL,
    state       TEXT    NOT NULL,
    sequence    INTEGER NOT NULL,
    row_count   INTEGER NOT NULL,
    closed      INTEGER NOT NULL,
    acked       INTEGER NOT NULL,
    tally       BLOB,
    PRIMARY KEY (run, shard)
) STRICT;

CREATE TABLE grants (
    run        INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    shard      INTEGER NOT NULL,
    ordinal    INTEGER NOT NULL,
    first_slot INTEGER NOT NULL,
    stride     INTEGER NOT NULL,
    slot_count INTEGER NOT NULL,
    PRIMARY KEY (run, shard, ordinal)
) STRICT, WITHOUT ROWID;

-- The rows have large tallies, so that a rowid is better here than none.
CREATE TABLE seconds (
    run    INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    second INTEGER NOT NULL,
    shard  INTEGER NOT NULL,
    tally  BLOB,
    PRIMARY KEY (run, second, shard)
) STRICT;

CREATE TABLE intervals (
    run    INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    second INTEGER NOT NULL,
    tally  BLOB,
    PRIMARY KEY (run, second)
) STRICT;

-- They outlive their runs. The place says which are the oldest.
CREATE TABLE requests (
    place      INTEGER PRIMARY KEY,
    request_id TEXT    NOT NULL UNIQUE,
    run_id     TEXT    NOT NULL,
    hash       TEXT    NOT NULL,
    created    INTEGER NOT NULL
) STRICT;

-- +goose Down

DROP TABLE requests;
DROP TABLE intervals;
DROP TABLE seconds;
DROP TABLE grants;
DROP TABLE shards;
DROP TABLE abouts;
DROP TABLE runs;
DROP TABLE session;
