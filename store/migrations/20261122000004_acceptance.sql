-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- A run of the acceptance criteria over a fixed window, with the complete report as issued. Its evidence (the list of
-- devices at that time, every k of n) outlives the raw data. The hash is that of the report's canonical text.
CREATE TABLE verification (
    id uuid PRIMARY KEY,
    community text NOT NULL REFERENCES community (id),
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL CHECK (window_end > window_start),
    generated_at timestamptz NOT NULL,
    criteria_version text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('pass', 'fail', 'insufficient_data', 'demo')),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    report jsonb NOT NULL
);

CREATE INDEX verification_community ON verification (community, generated_at DESC);

-- A criterion that a person still has to inspect has no figures, nor has a criterion without devices.
CREATE TABLE verification_result (
    verification_id uuid NOT NULL REFERENCES verification (id),
    criterion text NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('pass', 'fail', 'insufficient_data', 'manual')),
    passed bigint,
    total bigint,
    PRIMARY KEY (verification_id, criterion),
    CHECK (passed BETWEEN 0 AND total),
    CHECK ((passed IS NULL) = (total IS NULL)),
    CHECK (verdict IN ('insufficient_data', 'manual') OR total IS NOT NULL)
);

-- migrate:down

DROP TABLE verification_result, verification;
