-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- How many partitions the communities are divided into. The first ingest writes it; what ran before there were
-- partitions had one.
CREATE TABLE partitioning (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    count bigint NOT NULL CHECK (count > 0)
);

INSERT INTO partitioning (count) SELECT 1 WHERE EXISTS (SELECT FROM device_state);

-- What the owner of each partition says of itself every second. Who the owner is, is known from the lock alone.
CREATE TABLE partition_report (
    partition bigint PRIMARY KEY,
    host text NOT NULL,
    pid bigint NOT NULL,
    owner_since timestamptz NOT NULL,
    committed_at timestamptz NOT NULL,
    live boolean NOT NULL,
    present_at timestamptz,
    buffered bigint NOT NULL
);

-- An alert about Anju itself is about the ingest of one partition; that of a device has the partition 0 here.
ALTER TABLE alert ADD COLUMN partition bigint NOT NULL DEFAULT 0;

-- Of open alerts there are few, so nobody waits for long.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX alert_one_open;
-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX alert_one_open ON alert (rule, coalesce(device_id, -partition)) WHERE process <> 'ended';

-- migrate:down

-- squawk-ignore require-concurrent-index-deletion
DROP INDEX alert_one_open;
-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX alert_one_open ON alert (rule, coalesce(device_id, 0)) WHERE process <> 'ended';
-- squawk-ignore ban-drop-column
ALTER TABLE alert DROP COLUMN partition;
DROP TABLE partition_report, partitioning;
