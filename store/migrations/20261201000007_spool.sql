-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- Messages beyond the share of their device, as they came, until they are worked off in the order of their ids. The
-- payload is sealed: that of a gateway, a door or a gate carries plates and door users. `cost` is its price in bytes.
-- No foreign key: checking it for each row would cost more than storing it. The devices are those of `spool_total`.
CREATE TABLE spool (
    id bigint GENERATED ALWAYS AS IDENTITY,
    device_id bigint NOT NULL,
    received_at timestamptz NOT NULL,
    redelivered boolean NOT NULL,
    retained boolean NOT NULL,
    topic text NOT NULL,
    sealed bytea NOT NULL,
    cost bigint NOT NULL,
    PRIMARY KEY (device_id, id)
);
-- What is encrypted does not compress.
ALTER TABLE spool ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- What waits of each device; a row ends with the last message.
CREATE TABLE spool_total (
    device_id bigint PRIMARY KEY REFERENCES device (id),
    messages bigint NOT NULL CHECK (messages > 0),
    bytes bigint NOT NULL CHECK (bytes > 0)
);

-- migrate:down

DROP TABLE spool_total, spool;
