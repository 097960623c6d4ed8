-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- When a household or a device was withdrawn from the registry. It stays for its history and is counted no more; an
-- import of it empties the column. Who withdrew it and why is in audit_log.
ALTER TABLE household ADD COLUMN withdrawn_at timestamptz;
ALTER TABLE device ADD COLUMN withdrawn_at timestamptz;

-- migrate:down

SET LOCAL lock_timeout = '5s';

-- squawk-ignore ban-drop-column
ALTER TABLE device DROP COLUMN withdrawn_at;
-- squawk-ignore ban-drop-column
ALTER TABLE household DROP COLUMN withdrawn_at;
