-- +goose Up
-- What the HTTP server needs: an order of the incidents' changes in which nothing
-- is missed, a record of who changed what, and one of reconciliations. See
-- docs/decisions/0016-web.md.

-- Numbers the changes of incidents in the order in which they are committed:
-- whoever takes one holds an advisory lock until its commit. So a reader that has
-- seen a number will never see a lower one come. The lock is taken before any row
-- is, lest two who change several wait for each other.
CREATE SEQUENCE byeguard.incident_seq;
ALTER TABLE byeguard.incidents ADD change bigint; -- number of its newest change

-- +goose StatementBegin
CREATE FUNCTION byeguard.lock_incident_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7095814182924284418); -- the one after the writer's
    RETURN NULL;
END $$;

CREATE FUNCTION byeguard.number_incident_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.change := nextval('byeguard.incident_seq');
    RETURN NEW;
END $$;
-- +goose StatementEnd
UPDATE byeguard.incidents SET change = nextval('byeguard.incident_seq');
ALTER TABLE byeguard.incidents ALTER change SET NOT NULL;
CREATE INDEX incidents_change ON byeguard.incidents (change);
CREATE TRIGGER lock_incident_changes BEFORE INSERT OR UPDATE ON byeguard.incidents
    FOR EACH STATEMENT EXECUTE FUNCTION byeguard.lock_incident_changes();
CREATE TRIGGER number_incident_change BEFORE INSERT OR UPDATE ON byeguard.incidents
    FOR EACH ROW EXECUTE FUNCTION byeguard.number_incident_change();

-- Who changed something by HTTP, or tried to. Rows are only added.
CREATE TABLE byeguard.audit_log (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL,                     -- on the clock of byeguard
    instance text        NOT NULL,                     -- which byeguard
    who      text        NOT NULL,
    role     text        NOT NULL,
    via      text        NOT NULL,                     -- session, token, local; '' = not let in
    remote   text        NOT NULL,                     -- address
    action   text        NOT NULL,
    target   text        NOT NULL,
    detail   text        NOT NULL,
    outcome  text        NOT NULL,                     -- ok, or what went wrong
    request  text        NOT NULL UNIQUE               -- told twice is told once
);
CREATE INDEX audit_log_at ON byeguard.audit_log (at);

-- Comparisons of byeguard's records with somebody else's.
CREATE TABLE byeguard.reconciliations (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    by_whom       text        NOT NULL,
    what          text        NOT NULL CHECK (what IN ('acc', 'csv', 'live')),
    source        text        NOT NULL,                -- without secrets
    since         timestamptz,
    until         timestamptz,
    node          text        NOT NULL,
    carrier       text        NOT NULL,
    calls         bigint      NOT NULL,
    discrepancies bigint      NOT NULL,
    lines         jsonb       NOT NULL                 -- by class
);
CREATE INDEX reconciliations_at ON byeguard.reconciliations (at);

-- +goose Down
DROP TABLE byeguard.reconciliations;
DROP TABLE byeguard.audit_log;
DROP TRIGGER number_incident_change ON byeguard.incidents;
DROP TRIGGER lock_incident_changes ON byeguard.incidents;
DROP FUNCTION byeguard.number_incident_change();
DROP FUNCTION byeguard.lock_incident_changes();
DROP INDEX byeguard.incidents_change;
ALTER TABLE byeguard.incidents DROP change;
DROP SEQUENCE byeguard.incident_seq;
