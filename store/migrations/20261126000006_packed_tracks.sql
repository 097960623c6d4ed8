-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- In the binary form that the rules use in memory: making JSON for every device of a batch cost more than evaluation.
-- squawk-ignore ban-drop-column
ALTER TABLE device_state DROP COLUMN tracks;
ALTER TABLE device_state ADD COLUMN tracks bytea;

-- migrate:down

SET LOCAL lock_timeout = '5s';

-- squawk-ignore ban-drop-column
ALTER TABLE device_state DROP COLUMN tracks;
ALTER TABLE device_state ADD COLUMN tracks text;
