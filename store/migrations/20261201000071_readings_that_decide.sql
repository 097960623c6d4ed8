-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The steps of counters that are consumption, by the definition of `rules/derived/counter.py`, whose words this uses:
-- net differences of the register between two readings, at times in seconds since 1970. A reading that is the first of
-- its register, or in quarantine, has a row without an amount. Readings around the range decide about those inside: as
-- many as it takes. After four readings in a row that agree with each other, the last of them with a step, or after a
-- recorded replacement, it does not matter what came before, and nothing later changes what came before. Of more than
-- four equal readings outside the range the first three and the last decide.
CREATE OR REPLACE FUNCTION counter_steps(
    kind text,
    field text,
    modulus double precision,
    per_hour double precision,
    backward double precision,
    device_ids bigint[],
    range_start timestamptz,
    range_end timestamptz
) RETURNS TABLE (device_id bigint, since double precision, until double precision, amount double precision)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    confirmed_by CONSTANT integer := 3;
    never CONSTANT double precision := 'infinity';
    reading record;
    base double precision;
    base_at double precision;
    previous double precision;
    previous_at double precision;
    suspects double precision[];
    suspects_at double precision[];
    run integer := 0;
    own double precision;
    again double precision;
    other double precision;
    -- The nearest reading in a direction from which on the past, or the future, does not matter.
    certain CONSTANT text := $query$
        SELECT ts FROM (
            SELECT ts, agrees AND step <> 0 AND %3$s(agrees) OVER nearest AND %3$s(agrees, 2) OVER nearest AS is_certain
            FROM (
                SELECT ts, step, step_size(step, seconds, $5, $6, $7) < 'infinity' AS agrees
                FROM (
                    SELECT ts, value - %3$s(value) OVER nearest AS step, at - %3$s(at) OVER nearest AS seconds
                    FROM (
                        SELECT ts, date_part('epoch', ts) AS at, %1$I AS value FROM %2$I AS t
                        WHERE t.device_id = device.id AND %1$I IS NOT NULL AND %5$s ORDER BY ts %4$s
                    ) AS reading
                    WINDOW nearest AS (ORDER BY ts %4$s)
                ) AS reading
            ) AS reading
            WINDOW nearest AS (ORDER BY ts %4$s)
        ) AS reading
        WHERE is_certain ORDER BY ts %4$s LIMIT 1
    $query$;
BEGIN
    FOR reading IN EXECUTE format(
        $query$
            SELECT device.id, date_part('epoch', one.ts) AS at, one.value, one.replaced_by
            FROM (SELECT id FROM unnest($1) AS id ORDER BY id) AS device
            CROSS JOIN LATERAL (
                SELECT max(at) FILTER (WHERE at < $2) AS last, min(at) FILTER (WHERE at >= $3) AS next
                FROM meter_replacement AS exchange
                WHERE exchange.device_id = device.id AND exchange.field = $4 AND withdrawn_at IS NULL
            ) AS replaced
            CROSS JOIN LATERAL (
                SELECT coalesce((%3$s), replaced.last, '-infinity') AS first,
                       coalesce((%4$s), replaced.next, 'infinity') AS last
                OFFSET 0
            ) AS deciding
            CROSS JOIN LATERAL (
                (
                    SELECT ts, %1$I AS value, NULL::double precision AS replaced_by FROM %2$I AS t
                    WHERE t.device_id = device.id AND ts >= $2 AND ts < $3 AND %1$I IS NOT NULL
                ) UNION ALL (
                    SELECT ts, value, NULL FROM (
                        SELECT ts, value,
                               value = lag(value) OVER side AND value = lag(value, 2) OVER side
                               AND value = lag(value, 3) OVER side AND value = lead(value) OVER side AS is_repeated
                        FROM (
                            SELECT ts, %1$I AS value FROM %2$I AS t
                            WHERE t.device_id = device.id AND ts >= deciding.first AND ts < $2 AND %1$I IS NOT NULL
                            UNION ALL
                            SELECT ts, %1$I FROM %2$I AS t
                            WHERE t.device_id = device.id AND ts >= $3 AND ts <= deciding.last AND %1$I IS NOT NULL
                        ) AS reading
                        WINDOW side AS (PARTITION BY ts < $2 ORDER BY ts)
                    ) AS reading
                    WHERE is_repeated IS NOT TRUE
                ) UNION ALL (
                    SELECT at, old_register, new_register FROM meter_replacement AS exchange
                    WHERE exchange.device_id = device.id AND exchange.field = $4 AND withdrawn_at IS NULL
                          AND at BETWEEN deciding.first AND deciding.last
                )
            ) AS one
            ORDER BY device.id, one.ts, one.replaced_by
        $query$,
        field,
        'telemetry_' || kind,
        format(
            certain, field, 'telemetry_' || kind, 'lead', 'DESC',
            $condition$ts < $2 AND ts >= coalesce(replaced.last, '-infinity')$condition$
        ),
        format(
            certain, field, 'telemetry_' || kind, 'lag', 'ASC',
            $condition$ts >= $3 AND ts < coalesce(replaced.next, 'infinity')$condition$
        )
    ) USING device_ids, range_start, range_end, field, modulus, per_hour, backward LOOP
        IF reading.id IS DISTINCT FROM device_id THEN
            device_id := reading.id;
            base := NULL;
        END IF;
        since := base_at;
        until := reading.at;
        amount := reading.value - base;
        own := step_size(amount, until - since, modulus, per_hour, backward);
        IF base IS NULL OR reading.replaced_by IS NOT NULL THEN
            IF amount < -backward THEN
                amount := amount + modulus;
                own := step_size(amount, until - since, modulus, per_hour, backward);
            END IF;
            IF own = never THEN
                since := until;
                amount := NULL;
            END IF;
            RETURN NEXT;
            base := coalesce(reading.replaced_by, reading.value);
            base_at := until;
            previous := NULL;
            run := 0;
            CONTINUE;
        END IF;
        again := never;
        other := never;
        IF previous IS NOT NULL THEN
            again := step_size(reading.value - previous, until - previous_at, modulus, per_hour, backward);
        END IF;
        IF run > 0 THEN
            other := step_size(reading.value - suspects[run], until - suspects_at[run], modulus, per_hour, backward);
        END IF;
        IF own < never AND own <= least(again, other) THEN
            RETURN NEXT;
            base := reading.value;
            base_at := until;
            IF amount <> 0 THEN
                previous := NULL;
            END IF;
            run := 0;
        ELSIF again < never AND again <= other THEN
            since := previous_at;
            amount := reading.value - previous;
            RETURN NEXT;
            base := reading.value;
            base_at := until;
            previous := NULL;
            run := 0;
        ELSE
            since := until;
            amount := NULL;
            RETURN NEXT;
            run := CASE WHEN other < never THEN run + 1 ELSE 1 END;
            suspects[run] := reading.value;
            suspects_at[run] := until;
            CONTINUE WHEN run < confirmed_by;
            FOR number IN 2..run LOOP
                since := suspects_at[number - 1];
                until := suspects_at[number];
                amount := suspects[number] - suspects[number - 1];
                RETURN NEXT;
            END LOOP;
            since := base_at;
            until := suspects_at[1];
            amount := suspects[1] - base + modulus;
            previous := NULL;
            IF suspects[1] < base
                AND step_size(amount, until - since, modulus, per_hour, backward) < never
            THEN
                RETURN NEXT;
            ELSIF suspects[run] = suspects[1] THEN
                previous := base;
                previous_at := base_at;
            END IF;
            base := suspects[run];
            base_at := suspects_at[run];
            run := 0;
        END IF;
    END LOOP;
END
$$;

-- migrate:down

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The steps of counters that are consumption, by the definition of `rules/derived/counter.py`, whose words this uses:
-- net differences of the register between two readings, at times in seconds since 1970. A reading that is the first of
-- its register, or in quarantine, has a row without an amount. Readings around the range decide about those inside.
CREATE OR REPLACE FUNCTION counter_steps(
    kind text,
    field text,
    modulus double precision,
    per_hour double precision,
    backward double precision,
    device_ids bigint[],
    range_start timestamptz,
    range_end timestamptz
) RETURNS TABLE (device_id bigint, since double precision, until double precision, amount double precision)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    confirmed_by CONSTANT integer := 3;
    around CONSTANT integer := 24;
    never CONSTANT double precision := 'infinity';
    reading record;
    base double precision;
    base_at double precision;
    previous double precision;
    previous_at double precision;
    suspects double precision[];
    suspects_at double precision[];
    run integer := 0;
    own double precision;
    again double precision;
    other double precision;
BEGIN
    FOR reading IN EXECUTE format(
        $query$
            SELECT device.id, date_part('epoch', one.ts) AS at, one.value, one.replaced_by
            FROM (SELECT id FROM unnest($1) AS id ORDER BY id) AS device
            CROSS JOIN LATERAL (
                (
                    SELECT ts, %1$I AS value, NULL::double precision AS replaced_by FROM %2$I AS t
                    WHERE t.device_id = device.id AND ts < $2 AND %1$I IS NOT NULL
                    ORDER BY ts DESC LIMIT $4
                ) UNION ALL (
                    SELECT ts, %1$I, NULL FROM %2$I AS t
                    WHERE t.device_id = device.id AND ts >= $2 AND ts < $3 AND %1$I IS NOT NULL
                ) UNION ALL (
                    SELECT ts, %1$I, NULL FROM %2$I AS t
                    WHERE t.device_id = device.id AND ts >= $3 AND %1$I IS NOT NULL
                    ORDER BY ts LIMIT $4
                ) UNION ALL (
                    SELECT at, old_register, new_register FROM meter_replacement AS exchange
                    WHERE exchange.device_id = device.id AND exchange.field = $5 AND withdrawn_at IS NULL
                )
            ) AS one
            ORDER BY device.id, one.ts, one.replaced_by
        $query$, field, 'telemetry_' || kind
    ) USING device_ids, range_start, range_end, around, field LOOP
        IF reading.id IS DISTINCT FROM device_id THEN
            device_id := reading.id;
            base := NULL;
        END IF;
        since := base_at;
        until := reading.at;
        amount := reading.value - base;
        own := step_size(amount, until - since, modulus, per_hour, backward);
        IF base IS NULL OR reading.replaced_by IS NOT NULL THEN
            IF amount < -backward THEN
                amount := amount + modulus;
                own := step_size(amount, until - since, modulus, per_hour, backward);
            END IF;
            IF own = never THEN
                since := until;
                amount := NULL;
            END IF;
            RETURN NEXT;
            base := coalesce(reading.replaced_by, reading.value);
            base_at := until;
            previous := NULL;
            run := 0;
            CONTINUE;
        END IF;
        again := never;
        other := never;
        IF previous IS NOT NULL THEN
            again := step_size(reading.value - previous, until - previous_at, modulus, per_hour, backward);
        END IF;
        IF run > 0 THEN
            other := step_size(reading.value - suspects[run], until - suspects_at[run], modulus, per_hour, backward);
        END IF;
        IF own < never AND own <= least(again, other) THEN
            RETURN NEXT;
            base := reading.value;
            base_at := until;
            IF amount <> 0 THEN
                previous := NULL;
            END IF;
            run := 0;
        ELSIF again < never AND again <= other THEN
            since := previous_at;
            amount := reading.value - previous;
            RETURN NEXT;
            base := reading.value;
            base_at := until;
            previous := NULL;
            run := 0;
        ELSE
            since := until;
            amount := NULL;
            RETURN NEXT;
            run := CASE WHEN other < never THEN run + 1 ELSE 1 END;
            suspects[run] := reading.value;
            suspects_at[run] := until;
            CONTINUE WHEN run < confirmed_by;
            FOR number IN 2..run LOOP
                since := suspects_at[number - 1];
                until := suspects_at[number];
                amount := suspects[number] - suspects[number - 1];
                RETURN NEXT;
            END LOOP;
            since := base_at;
            until := suspects_at[1];
            amount := suspects[1] - base + modulus;
            previous := NULL;
            IF suspects[1] < base
                AND step_size(amount, until - since, modulus, per_hour, backward) < never
            THEN
                RETURN NEXT;
            ELSIF suspects[run] = suspects[1] THEN
                previous := base;
                previous_at := base_at;
            END IF;
            base := suspects[run];
            base_at := suspects_at[run];
            run := 0;
        END IF;
    END LOOP;
END
$$;
