-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The number of partitions of the communities. The first ingest writes it; an installation older than partitions has
-- one.
CREATE TABLE partitioning (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    count bigint NOT NULL CHECK (count > 0)
);

INSERT INTO partitioning (count) SELECT 1 WHERE EXISTS (SELECT FROM device_state);

-- The report of each partition's owner on itself, once a second. Only the lock says which process is the owner.
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

-- An alert about Anju itself is about the ingest of one partition; the alert of a device has partition 0.
ALTER TABLE alert ADD COLUMN partition bigint NOT NULL DEFAULT 0;

-- Few alerts are open, so the table is locked only for a moment.
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
