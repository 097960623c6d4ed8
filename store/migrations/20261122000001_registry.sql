-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

CREATE TABLE community (
    id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name text NOT NULL,
    banner text NOT NULL,
    street text NOT NULL,
    property_company text,
    built_year bigint,
    subsidised boolean,
    stage text CHECK (stage IN ('储备', '新开工', '在建', '竣工')),
    started_on date,
    planned_finish date,
    latitude double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude double precision CHECK (longitude BETWEEN -180 AND 180)
);

CREATE TABLE household (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    community text NOT NULL REFERENCES community (id),
    building text NOT NULL,
    unit text NOT NULL,
    room text NOT NULL,
    UNIQUE (community, building, unit, room)
);

-- Unit and room are empty for a device that serves a whole building or the community.
CREATE TABLE device (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    community text NOT NULL REFERENCES community (id),
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    kind text NOT NULL,
    building text NOT NULL DEFAULT '',
    unit text NOT NULL DEFAULT '',
    room text NOT NULL DEFAULT '',
    gateway text,
    plan_item text,
    serial text,
    installed_on date,
    simulated boolean NOT NULL DEFAULT false,
    secret_hash text,
    UNIQUE (community, name)
);

CREATE INDEX device_place ON device (community, building, unit, room);
CREATE INDEX device_kind ON device (kind, community);

-- Counts the changes of the registry, so that a running ingest knows when to reload it.
CREATE TABLE registry_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version bigint NOT NULL DEFAULT 0
);

INSERT INTO registry_version DEFAULT VALUES;

-- Three separate facts: the last values, the arrival of the last message, and the connection state that was reported.
-- Every message updates the row of its device: free space in a page allows heap-only tuple updates.
CREATE TABLE device_state (
    device_id bigint PRIMARY KEY REFERENCES device (id),
    last_ts timestamptz,
    last_values jsonb NOT NULL DEFAULT '{}',
    last_seen timestamptz NOT NULL,
    last_fresh timestamptz,
    event_ts jsonb NOT NULL DEFAULT '{}',
    connection text CHECK (connection IN ('online', 'offline')),
    connection_at timestamptz
) WITH (fillfactor = 60);

-- migrate:down

DROP TABLE device_state, registry_version, device, household, community;
