-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- As the rules keep it in memory: making JSON of it for every device of a batch cost more than judging.
-- squawk-ignore ban-drop-column
ALTER TABLE device_state DROP COLUMN tracks;
ALTER TABLE device_state ADD COLUMN tracks bytea;

-- migrate:down

SET LOCAL lock_timeout = '5s';

-- squawk-ignore ban-drop-column
ALTER TABLE device_state DROP COLUMN tracks;
ALTER TABLE device_state ADD COLUMN tracks text;
