-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- Numbers of rejections by device: reports say of which devices data was refused in their window. Unlike the stored
-- rejections they are complete, and later rejections do not change the numbers of an hour that has passed.
CREATE TABLE device_rejection_count (
    device_id bigint NOT NULL,
    hour timestamptz NOT NULL,
    reason text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (device_id, hour, reason)
);

-- migrate:down

DROP TABLE device_rejection_count;
