-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The media that a household does without by the record of a person, such as gas in a building without a gas pipe.
ALTER TABLE household ADD COLUMN exempt text NOT NULL DEFAULT '';
ALTER TABLE household ADD CONSTRAINT household_exempt
CHECK (string_to_array(exempt, ',') <@ ARRAY['water', 'electricity', 'gas']) NOT VALID;

-- migrate:down

SET LOCAL lock_timeout = '5s';

-- squawk-ignore ban-drop-column
ALTER TABLE household DROP COLUMN exempt;
