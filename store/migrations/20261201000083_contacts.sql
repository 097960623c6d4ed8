-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- Persons to call: of a household (a room and no company), or of a contractor of a community (a company and no room), for
-- all its devices or for those of a kind. The phone number is encrypted with a key derived from ANJU_SECRET_KEY.
CREATE TABLE contact (
    id uuid PRIMARY KEY,
    community text NOT NULL REFERENCES community (id),
    building text NOT NULL DEFAULT '',
    unit text NOT NULL DEFAULT '',
    room text NOT NULL DEFAULT '',
    company text NOT NULL DEFAULT '',
    kind text NOT NULL DEFAULT '' CHECK (kind = '' OR company <> ''),
    name text NOT NULL CHECK (name <> ''),
    role text NOT NULL DEFAULT '',
    phone bytea NOT NULL CHECK (octet_length(phone) > 28),
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL CHECK (changed_by <> ''),
    CHECK ((room = '') = (company <> '')),
    CHECK (company = '' OR (building = '' AND unit = '')),
    UNIQUE (community, building, unit, room, company, kind, name)
);

ALTER TABLE contact ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenants ON contact USING (
    (SELECT sees_everything()) OR community IN (SELECT id FROM community)
);

-- migrate:down

DROP TABLE contact;
