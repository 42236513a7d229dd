-- +goose Up

-- Who has created a run; '' is nobody who was asked for a name.
ALTER TABLE runs ADD COLUMN creator TEXT NOT NULL DEFAULT '';

-- Each creator has request_ids of its own.
CREATE TABLE requests_of_creators (
    place      INTEGER PRIMARY KEY,
    creator    TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    run_id     TEXT    NOT NULL,
    hash       TEXT    NOT NULL,
    created    INTEGER NOT NULL,
    UNIQUE (creator, request_id)
) STRICT;
INSERT INTO requests_of_creators SELECT place, '', request_id, run_id, hash, created FROM requests;
DROP TABLE requests;
ALTER TABLE requests_of_creators RENAME TO requests;

-- +goose Down

CREATE TABLE requests_of_all (
    place      INTEGER PRIMARY KEY,
    request_id TEXT    NOT NULL UNIQUE,
    run_id     TEXT    NOT NULL,
    hash       TEXT    NOT NULL,
    created    INTEGER NOT NULL
) STRICT;
INSERT OR REPLACE INTO requests_of_all SELECT place, request_id, run_id, hash, created FROM requests ORDER BY place;
DROP TABLE requests;
ALTER TABLE requests_of_all RENAME TO requests;
ALTER TABLE runs DROP COLUMN creator;
