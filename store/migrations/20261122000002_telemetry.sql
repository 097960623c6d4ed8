-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

CREATE EXTENSION IF NOT EXISTS timescaledb;

-- The tables telemetry_<kind> are created from the catalogue of device kinds after the migrations.

CREATE TABLE event (
    device_id bigint NOT NULL,
    ts timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    event text NOT NULL,
    id text NOT NULL,
    data jsonb NOT NULL,
    UNIQUE (device_id, ts, event, id)
);

SELECT create_hypertable('event', by_range('ts', INTERVAL '7 days'));

-- Messages that could not be used. The same payload on the same topic is one row; `times` counts it.
CREATE TABLE rejection (
    topic text NOT NULL,
    reason text NOT NULL,
    digest bytea NOT NULL,
    detail text NOT NULL,
    payload bytea NOT NULL,
    size bigint NOT NULL,
    device_id bigint,
    first_received_at timestamptz NOT NULL,
    last_received_at timestamptz NOT NULL,
    times bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (topic, reason, digest)
);

CREATE INDEX rejection_received ON rejection (last_received_at);

-- Numbers of rejections, including those that were not stored because a topic had reached its limit.
CREATE TABLE rejection_count (
    hour timestamptz NOT NULL,
    community text NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (hour, community, kind, reason)
);

-- migrate:down

DROP TABLE rejection_count, rejection;
-- TimescaleDB drops only one hypertable in a statement.
DROP TABLE event;
