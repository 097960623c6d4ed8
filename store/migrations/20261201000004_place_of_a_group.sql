-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- A stored device group gets the gateway, the unit and the kind that it consists of, so that it can be found again in
-- the registry. So far a group was all devices behind a gateway, or of a building.
UPDATE rule_state
SET memory = jsonb_set(
    memory, '{family}',
    (memory -> 'family') || jsonb_build_array(
        CASE WHEN memory -> 'family' ->> 2 LIKE '网关 %' THEN substr(memory -> 'family' ->> 2, 4) ELSE '' END, '', ''
    )
)
WHERE memory ? 'family' AND jsonb_array_length(memory -> 'family') = 7;

-- migrate:down

UPDATE rule_state
SET memory = jsonb_set(memory, '{family}', (
    SELECT jsonb_agg(element ORDER BY position)
    FROM jsonb_array_elements(memory -> 'family') WITH ORDINALITY AS part (element, position)
    WHERE position <= 7
))
WHERE memory ? 'family' AND jsonb_array_length(memory -> 'family') > 7;
