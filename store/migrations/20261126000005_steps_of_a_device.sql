-- migrate:up transaction:false

-- What rules did on a device before they raised an alert (`anju rules explain`), and on Anju itself, which is no device
-- (the backtest). Concurrently, because ingest writes to the table.
-- squawk-ignore ban-concurrent-index-creation-in-transaction, require-timeout-settings
CREATE INDEX CONCURRENTLY IF NOT EXISTS alert_transition_device ON alert_transition (device_id, id);

-- migrate:down

-- squawk-ignore require-concurrent-index-deletion
DROP INDEX alert_transition_device;
