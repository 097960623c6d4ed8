-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The states of the device's derived values: JSON that only the rules read. It is text because parsing it for every
-- message would cost more than the evaluation of all rules.
ALTER TABLE device_state ADD COLUMN tracks text;

-- migrate:down

-- squawk-ignore ban-drop-column
ALTER TABLE device_state DROP COLUMN tracks;
