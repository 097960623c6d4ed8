-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The time at which people were last asked again to look after a latched alert, because its condition had come back.
ALTER TABLE alert ADD COLUMN returned_at timestamptz;

-- migrate:down

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- squawk-ignore ban-drop-column
ALTER TABLE alert DROP COLUMN returned_at;
