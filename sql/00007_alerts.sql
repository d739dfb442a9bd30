-- +goose Up
-- Incidents reach people: see docs/decisions/0015-alerts.md.

ALTER TABLE byeguard.incidents
    ADD acked_at    timestamptz,
    ADD acked_by    text NOT NULL DEFAULT '',          -- a person
    ADD resolved_by text NOT NULL DEFAULT '',          -- a person; '' = byeguard itself
    ADD note        text NOT NULL DEFAULT '';          -- the person's words

-- Each change of an incident that somebody may have to hear of, written by the
-- transaction that makes the change, whoever makes it. byeguard takes rows out
-- as it files them under what is to be sent.
CREATE TABLE byeguard.alert_news (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident bigint      NOT NULL,
    change   text        NOT NULL CHECK (change IN ('opened', 'worse', 'acknowledged', 'resolved')),
    at       timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What is sent: one row a message and route. The id is its idempotency key.
CREATE TABLE byeguard.alerts (
    id            text        PRIMARY KEY,
    route         text        NOT NULL,
    grp           text        NOT NULL,                -- what is gathered into one message
    node          text        NOT NULL,                -- whose byeguard sends it; '' = any
    state         text        NOT NULL CHECK (state IN ('gathering', 'sending', 'sent', 'dead')),
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at        timestamptz NOT NULL,                -- not tried before
    give_up_at    timestamptz NOT NULL,                -- then it is dead
    tries         integer     NOT NULL DEFAULT 0,
    claimed_by    text        NOT NULL DEFAULT '',     -- the byeguard that sends it now
    claimed_until timestamptz,
    last_error    text        NOT NULL DEFAULT '',
    sent_at       timestamptz,
    severity      text        NOT NULL DEFAULT '',
    incidents     integer     NOT NULL DEFAULT 0,      -- how many it tells of
    title         text        NOT NULL DEFAULT '',
    message       text                                 -- JSON; NULL while it is gathering
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX alerts_gathering ON byeguard.alerts (route, grp) WHERE state = 'gathering';
CREATE INDEX alerts_due ON byeguard.alerts (route, due_at) WHERE state IN ('gathering', 'sending');
CREATE INDEX alerts_created ON byeguard.alerts (created_at);

-- The incidents of a message.
CREATE TABLE byeguard.alert_items (
    alert    text   NOT NULL REFERENCES byeguard.alerts ON DELETE CASCADE,
    incident bigint NOT NULL,
    told     text   NOT NULL DEFAULT '',               -- the incident's state that the message tells
    PRIMARY KEY (alert, incident)
);
CREATE INDEX alert_items_incident ON byeguard.alert_items (incident);

-- +goose StatementBegin
CREATE FUNCTION byeguard.tell_incident_opened() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO byeguard.alert_news (incident, change) SELECT id, 'opened' FROM added ORDER BY id;
    RETURN NULL;
END $$;

CREATE FUNCTION byeguard.tell_incident_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO byeguard.alert_news (incident, change)
    SELECT n.id, CASE WHEN n.state = w.state THEN 'worse' ELSE n.state END
    FROM changed n JOIN was w ON w.id = n.id
    WHERE n.state <> w.state
       OR n.state <> 'resolved' AND n.severity <> w.severity AND (n.severity = 'critical' OR w.severity = 'info')
    ORDER BY n.id;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER tell_incident_opened AFTER INSERT ON byeguard.incidents
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION byeguard.tell_incident_opened();
CREATE TRIGGER tell_incident_changed AFTER UPDATE ON byeguard.incidents
    REFERENCING OLD TABLE AS was NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION byeguard.tell_incident_changed();

-- +goose Down
DROP TRIGGER tell_incident_changed ON byeguard.incidents;
DROP TRIGGER tell_incident_opened ON byeguard.incidents;
DROP FUNCTION byeguard.tell_incident_changed();
DROP FUNCTION byeguard.tell_incident_opened();
DROP TABLE byeguard.alert_items;
DROP TABLE byeguard.alerts;
DROP TABLE byeguard.alert_news;
ALTER TABLE byeguard.incidents DROP note, DROP resolved_by, DROP acked_by, DROP acked_at;
