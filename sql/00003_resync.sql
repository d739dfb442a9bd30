-- +goose Up
-- What byeguard did not see of a call: start_missed, vanished, restarted, joined
-- by commas; '' = all was seen.
ALTER TABLE byeguard.dialogs ADD not_seen text NOT NULL DEFAULT '';
ALTER TABLE byeguard.cdrs
    ADD not_seen text NOT NULL DEFAULT '',
    -- When the call began for whoever wrote the record: tells its lives apart, of
    -- which two nodes, or two byeguards, may each have one. The first final record
    -- is only corrected by the life that wrote it.
    ADD life timestamptz NOT NULL DEFAULT '-infinity';

-- +goose Down
ALTER TABLE byeguard.cdrs DROP life, DROP not_seen;
ALTER TABLE byeguard.dialogs DROP not_seen;
