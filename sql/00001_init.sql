-- +goose Up
-- The schema byeguard itself is made by pkg/store under its lock, since goose
-- keeps its own table (byeguard.schema_version) in it.
--
-- Texts from SIP are stored by pkg/store's Escape: \xHH stands for a byte that
-- PostgreSQL's text cannot hold. call_key is the one distribution column of
-- every large table.

-- What byeguard last heard of each node.
CREATE TABLE byeguard.nodes (
    name          text        PRIMARY KEY,
    boot          bigint      NOT NULL DEFAULT 0,      -- boot identity of the proxy
    last_seq      bigint      NOT NULL DEFAULT 0,      -- number of its newest stored event
    last_event_at timestamptz,                         -- and that event's time
    connected     boolean     NOT NULL DEFAULT false,
    detail        text        NOT NULL DEFAULT '',     -- one sentence on the connection, for people
    updated_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- The shadow: one row a call that is not accounted for yet. No index but the
-- key, so that updates stay within the page (HOT).
CREATE TABLE byeguard.dialogs (
    call_key       bytea       PRIMARY KEY,
    version        bigint      NOT NULL,
    node           text        NOT NULL,
    state          text        NOT NULL CHECK (state IN ('new', 'up', 'ending', 'done', 'failed')),
    call_id        text        NOT NULL,
    caller_tag     text        NOT NULL,
    callee_tag     text        NOT NULL,
    caller_uri     text        NOT NULL,
    callee_uri     text        NOT NULL,
    caller_contact text        NOT NULL,
    callee_contact text        NOT NULL,
    caller_state   text        NOT NULL,
    callee_state   text        NOT NULL,
    proxy_dialogs  text[]      NOT NULL,               -- node/h_entry:h_id of each
    open_incidents integer     NOT NULL,               -- how many
    started        timestamptz NOT NULL,
    setup_at       timestamptz,
    answered_at    timestamptz,
    ended_at       timestamptz,
    updated_at     timestamptz NOT NULL DEFAULT now(),
    blob           bytea       NOT NULL                -- the whole call.Call as CBOR, exact bytes
) WITH (fillfactor = 50); -- neighbours are updated together: each needs room for its next version
ALTER TABLE byeguard.dialogs ALTER COLUMN blob SET STORAGE EXTERNAL;

-- Evidence: what was seen and done, call by call. Rows are only added, and
-- dropped with their day.
CREATE TABLE byeguard.events (
    call_key bytea       NOT NULL,
    at       timestamptz NOT NULL,                     -- the proxy's clock
    lag_us   bigint      NOT NULL,                     -- byeguard's clock: at + lag_us microseconds
    ord      bigint      NOT NULL,                     -- order within one byeguard
    node     text        NOT NULL,
    boot     bigint,
    seq      bigint,                                   -- the proxy's number; NULL = made by byeguard
    kind     text        NOT NULL,                     -- call.Kind, or ask, command, incident
    src      text,                                     -- caller, callee, proxy, byeguard
    dst      text,
    method   text,
    cseq     bigint,
    code     integer,
    reason   text,                                     -- call.Reason of byeguard's own rows
    detail   text                                      -- JSON: all that has no column
) PARTITION BY RANGE (at);
CREATE INDEX events_call_key ON byeguard.events (call_key);
-- A wrong clock loses nothing.
CREATE TABLE byeguard.events_default PARTITION OF byeguard.events DEFAULT;

-- One record a call. A call's record is filed under the day of its start;
-- pkg/store's writer keeps it one a call across days.
CREATE TABLE byeguard.cdrs (
    call_key     bytea       NOT NULL,
    started      timestamptz NOT NULL,                 -- never changes
    version      bigint      NOT NULL,
    revision     integer     NOT NULL DEFAULT 1,       -- grows when a final record is corrected
    state        text        NOT NULL CHECK (state IN ('open', 'final')),
    disposition  text        NOT NULL,
    node         text        NOT NULL,
    call_id      text        NOT NULL,
    caller_tag   text        NOT NULL,
    callee_tag   text        NOT NULL,
    caller_uri   text        NOT NULL,
    callee_uri   text        NOT NULL,
    setup_at     timestamptz,
    answered_at  timestamptz,
    confirmed_at timestamptz,
    ended_at     timestamptz,
    duration_ms  bigint,                               -- NULL = not known (yet)
    caller_end   timestamptz,
    caller_how   text        NOT NULL,
    callee_end   timestamptz,
    callee_how   text        NOT NULL,
    released_by  text        NOT NULL,
    code         integer     NOT NULL,                 -- final SIP code of the INVITE
    cause        text        NOT NULL,
    overrun_ms   bigint      NOT NULL,
    repaired     boolean     NOT NULL,
    repaired_leg text        NOT NULL,
    repair_why   text        NOT NULL,
    attempts     integer     NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (call_key, started)
) PARTITION BY RANGE (started);
-- A hash holds any Call-ID; a btree refuses those of more than 2,700 bytes.
CREATE INDEX cdrs_call_id ON byeguard.cdrs USING hash (call_id);
-- For lists, which say so. The condition keeps it from the writer's look-ups by
-- key: planned on empty tables, they might take it for as good as the key.
CREATE INDEX cdrs_started ON byeguard.cdrs (started) WHERE started > '-infinity';
CREATE TABLE byeguard.cdrs_default PARTITION OF byeguard.cdrs DEFAULT WITH (fillfactor = 50);

-- What a final record said before it was corrected.
CREATE TABLE byeguard.cdr_revisions (
    call_key    bytea       NOT NULL,
    revision    integer     NOT NULL,
    replaced_at timestamptz NOT NULL DEFAULT now(),
    record      jsonb       NOT NULL,
    PRIMARY KEY (call_key, revision)
);

-- +goose StatementBegin
CREATE FUNCTION byeguard.keep_cdr_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(OLD) - '{version,revision,updated_at}'::text[]
     = to_jsonb(NEW) - '{version,revision,updated_at}'::text[] THEN
        RETURN NEW;
    END IF;
    INSERT INTO byeguard.cdr_revisions (call_key, revision, record)
    VALUES (OLD.call_key, OLD.revision, to_jsonb(OLD));
    NEW.revision := OLD.revision + 1;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER keep_cdr_revision BEFORE UPDATE ON byeguard.cdrs
    FOR EACH ROW WHEN (OLD.state = 'final') EXECUTE FUNCTION byeguard.keep_cdr_revision();

-- What a person should see. They move forward only: open, acknowledged, resolved.
CREATE TABLE byeguard.incidents (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    call_key    bytea       NOT NULL,
    call_id     text        NOT NULL,
    node        text        NOT NULL,
    kind        text        NOT NULL,
    severity    text        NOT NULL,
    state       text        NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved')),
    leg         text        NOT NULL,
    reason      text        NOT NULL,
    detail      text        NOT NULL,
    opened_at   timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    resolved_at timestamptz
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX incidents_one_open ON byeguard.incidents (call_key, kind, leg) WHERE state <> 'resolved';
CREATE INDEX incidents_call_key ON byeguard.incidents (call_key);
CREATE INDEX incidents_opened ON byeguard.incidents (opened_at);

-- Commands: written with the state that asked for them, closed by their result.
CREATE TABLE byeguard.outbox (
    call_key   bytea       NOT NULL,
    id         text        NOT NULL,
    node       text        NOT NULL,
    leg        text        NOT NULL,
    attempt    integer     NOT NULL,
    cseq       bigint      NOT NULL,
    reason     text        NOT NULL,
    state      text        NOT NULL CHECK (state IN ('pending', 'done', 'failed')),
    code       integer,
    created_at timestamptz NOT NULL,
    done_at    timestamptz,
    request    bytea       NOT NULL,                   -- call.Command as CBOR
    PRIMARY KEY (call_key, id)
) WITH (fillfactor = 80);
CREATE INDEX outbox_pending ON byeguard.outbox (created_at) WHERE state = 'pending';

-- +goose Down
DROP TABLE byeguard.outbox;
DROP TABLE byeguard.incidents;
DROP TABLE byeguard.cdr_revisions;
DROP TABLE byeguard.cdrs;
DROP FUNCTION byeguard.keep_cdr_revision();
DROP TABLE byeguard.events;
DROP TABLE byeguard.dialogs;
DROP TABLE byeguard.nodes;
