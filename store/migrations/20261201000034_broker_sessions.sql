-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The sessions of each partition with the broker in which ingest has subscribed, so that each has to be there. The
-- client id changes with the secret of ingest's account; what waits under an earlier one is taken over first. `drained`:
-- it only has to be ended.
CREATE TABLE broker_session (
    partition bigint NOT NULL,
    client_id text NOT NULL,
    subscribed_at timestamptz NOT NULL,
    drained boolean NOT NULL DEFAULT false,
    PRIMARY KEY (partition, client_id)
);

-- The sessions of an ingest older than this table have fixed names.
INSERT INTO broker_session (partition, client_id, subscribed_at)
SELECT number, 'anju-ingest-' || number, now() FROM partitioning CROSS JOIN generate_series(0, count - 1) AS number;

-- Spans of time whose messages may be missing, because the broker lost a session. `readings` is the number that the
-- devices of the partition send in that time.
CREATE TABLE session_gap (
    partition bigint NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL CHECK (ended_at >= began_at),
    readings bigint NOT NULL CHECK (readings >= 0),
    PRIMARY KEY (partition, ended_at)
);

-- migrate:down

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- squawk-ignore ban-drop-table
DROP TABLE session_gap, broker_session;
