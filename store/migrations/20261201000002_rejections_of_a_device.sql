-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The rejections of a device, newest first. The table is small, so that the index is made at once.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX rejection_device ON rejection (device_id, last_received_at DESC);

-- migrate:down

-- squawk-ignore require-concurrent-index-deletion
DROP INDEX rejection_device;
