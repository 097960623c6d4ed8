-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The last two states of a device from before an item, in the form that the rules read. A late item takes its place in
-- time by a replay from there. Written once in a quarter of an hour of a device's time, so apart from device_state,
-- whose rows are rewritten with each batch.
CREATE TABLE device_checkpoint (
    device_id bigint PRIMARY KEY REFERENCES device (id),
    next_at timestamptz NOT NULL,
    newer bytea NOT NULL,
    older bytea
) WITH (fillfactor = 60);

COMMENT ON COLUMN device_checkpoint.next_at IS 'time of the device from which the next one is due';

-- migrate:down

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

DROP TABLE device_checkpoint;
