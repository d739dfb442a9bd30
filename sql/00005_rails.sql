-- +goose Up
-- Who may send: see docs/decisions/0011-rails.md.

-- What holds sending back now. '' as the node means all nodes.
CREATE TABLE byeguard.switches (
    node    text        NOT NULL,
    kind    text        NOT NULL CHECK (kind IN ('pause', 'mass_action')),
    by_whom text        NOT NULL,
    reason  text        NOT NULL,
    set_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (node, kind)
);

-- Every change of the switches, and who asked for it when and why. Rows are only
-- added; op makes a change that is told twice one change.
CREATE TABLE byeguard.switch_log (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    op       text        NOT NULL UNIQUE,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    asked_at timestamptz NOT NULL,                     -- on the clock of whoever asked
    action   text        NOT NULL CHECK (action IN ('set', 'clear')),
    kind     text        NOT NULL,                     -- '' of a clear: every kind
    node     text        NOT NULL,
    by_whom  text        NOT NULL,
    reason   text        NOT NULL,
    changed  integer     NOT NULL                      -- how many switches it set or cleared
);

-- Which byeguard acts for a node. The epoch grows with each change of the holder;
-- whoever writes for the node shows it. renewed is a counter, not a time: nobody's
-- clock decides.
CREATE TABLE byeguard.leases (
    node         text        PRIMARY KEY,
    instance     text        NOT NULL,                 -- '' = given up
    session      text        NOT NULL,                 -- one run of that instance
    epoch        bigint      NOT NULL,
    renewed      bigint      NOT NULL DEFAULT 0,
    taken_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    written_at   bigint      NOT NULL DEFAULT 0,       -- all that happened before is stored: proxy's clock, Unix µs
    writer_pid   integer,                              -- its connection that writes, to be ended by a successor
    writer_start timestamptz
) WITH (fillfactor = 20);

-- What each byeguard last said of itself.
CREATE TABLE byeguard.instances (
    id      text        PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    status  jsonb       NOT NULL
) WITH (fillfactor = 20);

ALTER TABLE byeguard.outbox DROP CONSTRAINT outbox_state_check;
ALTER TABLE byeguard.outbox ADD CONSTRAINT outbox_state_check CHECK (state IN ('pending', 'done', 'failed', 'withdrawn'));

-- +goose Down
ALTER TABLE byeguard.outbox DROP CONSTRAINT outbox_state_check;
UPDATE byeguard.outbox SET state = 'failed' WHERE state = 'withdrawn';
ALTER TABLE byeguard.outbox ADD CONSTRAINT outbox_state_check CHECK (state IN ('pending', 'done', 'failed'));
DROP TABLE byeguard.instances;
DROP TABLE byeguard.leases;
DROP TABLE byeguard.switch_log;
DROP TABLE byeguard.switches;
