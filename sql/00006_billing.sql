-- +goose Up
-- What billing needs: an order of hand-over, revisions with their reason, and
-- partial records of long calls. What a record is worth is not stored: see
-- docs/decisions/0014-billing.md.

-- Numbers final records in the order in which they are committed: whoever takes
-- one holds the advisory lock of pkg/store's writer until its commit. So a
-- reader that has seen a number will never see a lower one come.
CREATE SEQUENCE byeguard.cdr_seq;

-- A cursor of another database would skip records: cursors name theirs.
CREATE TABLE byeguard.cdr_feed (
    id text PRIMARY KEY DEFAULT substr(md5(random()::text || clock_timestamp()::text), 1, 8)
);
INSERT INTO byeguard.cdr_feed DEFAULT VALUES;

ALTER TABLE byeguard.cdrs
    ADD seq             bigint,                        -- NULL while open
    ADD revision_reason text        NOT NULL DEFAULT '',
    ADD parts           integer     NOT NULL DEFAULT 0, -- partial records made so far
    ADD caller_addr     text        NOT NULL DEFAULT '',
    ADD callee_addr     text        NOT NULL DEFAULT '',
    ADD closed_at       timestamptz;                   -- when it became final, on the database's clock
CREATE INDEX cdrs_seq ON byeguard.cdrs (seq);

ALTER TABLE byeguard.cdr_revisions
    ADD seq bigint;
CREATE INDEX cdr_revisions_seq ON byeguard.cdr_revisions (seq);

-- What a record said when its call had been up for some time.
CREATE TABLE byeguard.cdr_partials (
    call_key bytea       NOT NULL,
    part     integer     NOT NULL,                     -- 1, 2, …
    seq      bigint      NOT NULL DEFAULT nextval('byeguard.cdr_seq'),
    until    timestamptz NOT NULL,                     -- the time up to which it counts
    made_at  timestamptz NOT NULL DEFAULT now(),
    record   jsonb       NOT NULL,                     -- the record as it stood
    PRIMARY KEY (call_key, part)
);
CREATE INDEX cdr_partials_seq ON byeguard.cdr_partials (seq);

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION byeguard.keep_cdr_revision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    aside CONSTANT text[] := '{version,revision,revision_reason,updated_at,closed_at,seq,parts,life}';
BEGIN
    NEW.closed_at := coalesce(OLD.closed_at, NEW.closed_at);
    IF to_jsonb(OLD) - aside = to_jsonb(NEW) - aside THEN
        -- Handed over once already, and nothing new.
        NEW.seq := coalesce(OLD.seq, NEW.seq);
        RETURN NEW;
    END IF;
    INSERT INTO byeguard.cdr_revisions (call_key, revision, seq, record)
    VALUES (OLD.call_key, OLD.revision, OLD.seq, to_jsonb(OLD));
    NEW.revision := OLD.revision + 1;
    NEW.revision_reason := CASE -- the weightiest change
        WHEN OLD.disposition <> NEW.disposition THEN 'disposition_changed'
        WHEN OLD.answered_at IS DISTINCT FROM NEW.answered_at OR OLD.ended_at IS DISTINCT FROM NEW.ended_at
          OR OLD.duration_ms IS DISTINCT FROM NEW.duration_ms THEN 'duration_changed'
        WHEN OLD.caller_how <> NEW.caller_how OR OLD.callee_how <> NEW.callee_how THEN 'leg_closed_late'
        WHEN OLD.caller_end IS DISTINCT FROM NEW.caller_end OR OLD.callee_end IS DISTINCT FROM NEW.callee_end
          OR OLD.overrun_ms <> NEW.overrun_ms THEN 'leg_end_changed'
        WHEN OLD.released_by <> NEW.released_by OR OLD.code <> NEW.code OR OLD.cause <> NEW.cause THEN 'cause_changed'
        WHEN OLD.repaired <> NEW.repaired OR OLD.repair_why <> NEW.repair_why OR OLD.attempts <> NEW.attempts THEN 'repair_changed'
        ELSE 'details_changed'
    END;
    IF NEW.seq IS NOT DISTINCT FROM OLD.seq THEN
        PERFORM pg_advisory_xact_lock(7095814182924284417); -- as the writer does
        NEW.seq := nextval('byeguard.cdr_seq');
    END IF;
    RETURN NEW;
END $$;

-- Final records of any other hand than the writer's get their number here.
CREATE FUNCTION byeguard.number_cdr() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7095814182924284417); -- as the writer does
    NEW.seq := nextval('byeguard.cdr_seq');
    NEW.closed_at := coalesce(NEW.closed_at, now());
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER number_cdr BEFORE INSERT OR UPDATE ON byeguard.cdrs
    FOR EACH ROW WHEN (NEW.state = 'final' AND NEW.seq IS NULL) EXECUTE FUNCTION byeguard.number_cdr();

UPDATE byeguard.cdrs SET seq = nextval('byeguard.cdr_seq'), closed_at = updated_at WHERE state = 'final';

-- +goose Down
DROP TRIGGER number_cdr ON byeguard.cdrs;
DROP FUNCTION byeguard.number_cdr();
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION byeguard.keep_cdr_revision() RETURNS trigger LANGUAGE plpgsql AS $$
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
DROP TABLE byeguard.cdr_partials;
DROP INDEX byeguard.cdr_revisions_seq;
ALTER TABLE byeguard.cdr_revisions DROP seq;
DROP INDEX byeguard.cdrs_seq;
ALTER TABLE byeguard.cdrs DROP seq, DROP revision_reason, DROP parts, DROP caller_addr, DROP callee_addr, DROP closed_at;
DROP TABLE byeguard.cdr_feed;
DROP SEQUENCE byeguard.cdr_seq;
