-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- Alarms that people triggered on site to see whether they arrive: an alarm that never arrived is in no other table. Rows
-- stay; a withdrawn test counts for nothing, and reports list it with the reason.
CREATE TABLE witnessed_test (
    id uuid PRIMARY KEY,
    device_id bigint NOT NULL REFERENCES device (id),
    event text NOT NULL CHECK (event <> ''),
    triggered_at timestamptz NOT NULL,
    tested_by text NOT NULL CHECK (tested_by <> ''),
    how text NOT NULL CHECK (how <> ''),
    recorded_at timestamptz NOT NULL CHECK (recorded_at >= triggered_at),
    withdrawn_at timestamptz CHECK (withdrawn_at >= recorded_at),
    withdrawn_by text,
    withdrawn_because text,
    CHECK ((withdrawn_at IS NULL) = (withdrawn_by IS NULL) AND (withdrawn_at IS NULL) = (withdrawn_because IS NULL))
);

CREATE UNIQUE INDEX witnessed_test_once ON witnessed_test (device_id, event, triggered_at) WHERE withdrawn_at IS NULL;
CREATE INDEX witnessed_test_triggered ON witnessed_test (triggered_at);

-- A criterion that does not concern a community, such as gas where no gas meter is registered. Stored rows satisfy the
-- narrower constraints that these replace, so nothing is left to validate.
ALTER TABLE verification_result
-- squawk-ignore ban-drop-constraint
DROP CONSTRAINT verification_result_verdict_check,
-- squawk-ignore ban-drop-constraint
DROP CONSTRAINT verification_result_check2,
ADD CONSTRAINT verification_result_verdict_check CHECK (
    verdict IN ('pass', 'fail', 'insufficient_data', 'manual', 'not_applicable')
) NOT VALID,
ADD CONSTRAINT verification_result_figure_check CHECK (verdict NOT IN ('pass', 'fail') OR total IS NOT NULL) NOT VALID;

-- migrate:down

-- The older version knows no such verdict.
UPDATE verification_result SET verdict = 'insufficient_data' WHERE verdict = 'not_applicable';
ALTER TABLE verification_result
-- squawk-ignore ban-drop-constraint
DROP CONSTRAINT verification_result_verdict_check,
-- squawk-ignore ban-drop-constraint
DROP CONSTRAINT verification_result_figure_check,
ADD CONSTRAINT verification_result_verdict_check CHECK (
    verdict IN ('pass', 'fail', 'insufficient_data', 'manual')
) NOT VALID,
ADD CONSTRAINT verification_result_check2 CHECK (
    verdict IN ('insufficient_data', 'manual') OR total IS NOT NULL
) NOT VALID;
DROP TABLE witnessed_test;
