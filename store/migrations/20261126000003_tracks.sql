-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- What the rules keep of many samples of the device: JSON that only they read, as text because parsing it for every
-- message would cost more than all of the rules.
ALTER TABLE device_state ADD COLUMN tracks text;

-- migrate:down

-- squawk-ignore ban-drop-column
ALTER TABLE device_state DROP COLUMN tracks;
