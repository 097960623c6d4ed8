-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The newest time that the device itself gave with a connection state. A last will has none: its arrival may be later
-- than the device's own report after it reconnected.
ALTER TABLE device_state ADD COLUMN connection_said_at timestamptz;

-- migrate:down

-- squawk-ignore ban-drop-column
ALTER TABLE device_state DROP COLUMN connection_said_at;
