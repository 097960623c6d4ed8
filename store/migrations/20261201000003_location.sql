-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The location of a device that belongs to no flat, in the words of the people there: 东门内车棚.
ALTER TABLE device ADD COLUMN location text NOT NULL DEFAULT '';

-- migrate:down

SET LOCAL lock_timeout = '5s';

-- squawk-ignore ban-drop-column
ALTER TABLE device DROP COLUMN location;
