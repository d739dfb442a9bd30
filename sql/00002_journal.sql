-- +goose Up
-- Up to which position of its journal a byeguard has stored all. Written in the
-- transaction that stores it, so that a kill between commit and the mark on its own
-- disk doubles no evidence: see docs/decisions/0008-journal.md.
CREATE TABLE byeguard.journals (
    id         text        PRIMARY KEY,                -- made up with the journal, kept beside it
    stored     bigint      NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20);

-- +goose Down
DROP TABLE byeguard.journals;
