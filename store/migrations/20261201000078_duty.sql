-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- Who is on duty for a community, from when to when. Several persons may be at once.
CREATE TABLE duty_shift (
    id uuid PRIMARY KEY,
    community text NOT NULL REFERENCES community (id),
    person text NOT NULL CHECK (person <> ''),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    note text NOT NULL,
    actor text NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_by text,
    CHECK (ends_at > starts_at AND ends_at - starts_at <= interval '31 days')
);

CREATE INDEX duty_shift_start ON duty_shift (starts_at);
CREATE INDEX duty_shift_community ON duty_shift (community, starts_at);

-- What a shift tells the next one.
CREATE TABLE handover_note (
    id uuid PRIMARY KEY,
    community text NOT NULL REFERENCES community (id),
    at timestamptz NOT NULL,
    actor text NOT NULL,
    note text NOT NULL CHECK (note <> '')
);

CREATE INDEX handover_note_community ON handover_note (community, at);

ALTER TABLE duty_shift ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenants ON duty_shift USING (
    (SELECT sees_everything()) OR community IN (SELECT id FROM community)
);
ALTER TABLE handover_note ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenants ON handover_note USING (
    (SELECT sees_everything()) OR community IN (SELECT id FROM community)
);

-- migrate:down

DROP TABLE handover_note;
DROP TABLE duty_shift;
