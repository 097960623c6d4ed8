-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The first arrival of a report `offline`. The broker sends a retained one again to each new subscription: without a
-- time of its own it tells nothing new then.
ALTER TABLE device_state ADD COLUMN offline_received_at timestamptz;

UPDATE device_state SET offline_received_at = reported.first_at
FROM (SELECT device_id, min(received_at) AS first_at FROM event WHERE event = 'offline' GROUP BY device_id) AS reported
WHERE reported.device_id = device_state.device_id;

UPDATE device_state SET offline_received_at = connection_at WHERE connection = 'offline' AND offline_received_at IS NULL;

-- migrate:down

-- squawk-ignore ban-drop-column
ALTER TABLE device_state DROP COLUMN offline_received_at;
