-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60min';

-- Texts of alerts that quote a mask of the older form, which left too few candidates.
CREATE OR REPLACE FUNCTION pg_temp.remasked(words text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT regexp_replace(
        regexp_replace(
            words,
            '([京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新][A-Z]·)[0-9A-Z](\*{2,3})[0-9A-Z]([0-9A-Z警学挂港澳使领试超])',
            '\1\2**\3', 'g'
        ),
        '(?<![*·0-9A-Za-z])[0-9A-Za-z]\*\*(?![*0-9A-Za-z])', '***', 'g'
    )
$$;

UPDATE alert
SET title = pg_temp.remasked(title), message = pg_temp.remasked(message), advice = pg_temp.remasked(advice)
WHERE kind IN ('access_control', 'vehicle_gate') AND concat(title, message, advice) LIKE '%**%';
UPDATE shadow_transition SET title = pg_temp.remasked(title), message = pg_temp.remasked(message)
WHERE concat(title, message) LIKE '%**%';

-- migrate:down

-- What a mask no longer shows does not come back.
