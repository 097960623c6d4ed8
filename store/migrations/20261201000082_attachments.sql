-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- Photos of alerts, encoded anew as JPEG. They lie in the database so that row-level security, backups and erasure cover
-- them. Of a removed one the content goes, and hash, time and account stay.
CREATE TABLE attachment (
    id uuid PRIMARY KEY,
    alert_id uuid NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    content bytea CHECK (octet_length(content) > 0),
    width bigint NOT NULL CHECK (width > 0),
    height bigint NOT NULL CHECK (height > 0),
    bytes bigint NOT NULL CHECK (bytes > 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    received_sha256 text NOT NULL CHECK (received_sha256 ~ '^[0-9a-f]{64}$'),
    caption text NOT NULL,
    actor text NOT NULL CHECK (actor <> ''),
    added_at timestamptz NOT NULL,
    removed_at timestamptz CHECK (removed_at >= added_at),
    removed_by text,
    CHECK ((content IS NULL) = (removed_at IS NOT NULL) AND (removed_at IS NULL) = (removed_by IS NULL))
);

-- A JPEG can't be compressed any further.
ALTER TABLE attachment ALTER COLUMN content SET STORAGE EXTERNAL;

-- The same photo is once at an alert, however often a phone without a network sends it.
CREATE UNIQUE INDEX attachment_once ON attachment (alert_id, received_sha256) WHERE removed_at IS NULL;
CREATE INDEX attachment_alert ON attachment (alert_id, added_at);

ALTER TABLE attachment ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenants ON attachment USING (
    (SELECT sees_everything()) OR EXISTS (SELECT FROM alert WHERE alert.id = attachment.alert_id)
);

-- migrate:down

DROP TABLE attachment;
