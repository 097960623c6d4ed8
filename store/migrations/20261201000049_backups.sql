-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- Finished backups, for `anju doctor` and the alert about their absence.
CREATE TABLE backup_run (
    finished_at timestamptz PRIMARY KEY,
    file text NOT NULL,
    bytes bigint NOT NULL CHECK (bytes > 0)
);

-- Free space of the disks of the servers, as the worker on their machine sees it.
CREATE TABLE disk_report (
    name text PRIMARY KEY,
    reported_at timestamptz NOT NULL,
    free_bytes bigint NOT NULL CHECK (free_bytes >= 0),
    total_bytes bigint NOT NULL CHECK (total_bytes > 0)
);

-- migrate:down

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- squawk-ignore ban-drop-table
DROP TABLE disk_report, backup_run;
