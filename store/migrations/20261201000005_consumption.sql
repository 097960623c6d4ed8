-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- A meter that was exchanged for another one at the same place. A wrong row is withdrawn, never deleted.
CREATE TABLE meter_replacement (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id bigint NOT NULL REFERENCES device (id),
    field text NOT NULL,
    at timestamptz NOT NULL,
    old_register double precision NOT NULL CHECK (old_register >= 0),
    new_register double precision NOT NULL CHECK (new_register >= 0),
    old_serial text,
    new_serial text,
    note text,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL,
    withdrawn_at timestamptz,
    withdrawn_by text,
    CHECK ((withdrawn_at IS NULL) = (withdrawn_by IS NULL))
);

CREATE UNIQUE INDEX meter_replacement_in_force ON meter_replacement (device_id, field, at) WHERE withdrawn_at IS NULL;

-- The size of a step of a register in a time in seconds; infinite if no working register counts that.
CREATE FUNCTION step_size(
    step double precision,
    seconds double precision,
    modulus double precision,
    per_hour double precision,
    backward double precision
) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN step BETWEEN -backward AND modulus * 0.1 AND step <= (seconds + 300) * per_hour / 3600 THEN abs(step)
        ELSE 'infinity'
    END
$$;

-- The steps of counters that are consumption, by the definition of `rules/derived/counter.py`, whose words this uses:
-- net differences of the register between two readings, at times in seconds since 1970. A reading that is the first of
-- its register, or in quarantine, has a row without an amount. Readings around the range decide about those inside.
CREATE FUNCTION counter_steps(
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

-- The consumption of counters in buckets of local time. A step that spans a boundary is divided by time across it. So
-- buckets of any width add up to the same total, and a reading at midnight closes the day before. What is rounded is
-- the sum up to each boundary, and so the rounded buckets add up, too.
CREATE FUNCTION consumption(
    kind text,
    field text,
    modulus double precision,
    per_hour double precision,
    backward double precision,
    decimals integer,
    device_ids bigint[],
    range_start timestamptz,
    range_end timestamptz,
    width interval
) RETURNS TABLE (device_id bigint, bucket timestamptz, increase double precision)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH grid AS (
        SELECT array_agg(start ORDER BY start) AS starts,
               array_agg(date_part('epoch', greatest(start, range_start)) ORDER BY start)
                   || date_part('epoch', range_end) AS edges
        FROM (
            SELECT local AT TIME ZONE 'Asia/Shanghai' AS start
            FROM generate_series(
                time_bucket(width, range_start, 'Asia/Shanghai') AT TIME ZONE 'Asia/Shanghai',
                range_end AT TIME ZONE 'Asia/Shanghai' - interval '1 microsecond',
                width
            ) AS local
        ) AS series
    ), share AS (
        SELECT step.device_id, number,
               CASE
                   WHEN step.until > step.since
                   THEN step.amount * (least(step.until, edges[number + 1]) - greatest(step.since, edges[number]))
                        / (step.until - step.since)
                   ELSE step.amount
               END AS amount
        FROM grid
        CROSS JOIN counter_steps(
            kind, field, modulus, per_hour, backward, device_ids, range_start, range_end
        ) AS step
        CROSS JOIN LATERAL (
            SELECT width_bucket(step.since, edges) AS first, width_bucket(step.until, edges) AS last
        ) AS place
        CROSS JOIN LATERAL generate_series(
            greatest(first, 1),
            least(last - (last > first AND step.until = edges[last])::integer, cardinality(starts))
        ) AS number
    ), total AS (
        SELECT share.device_id, number, sum(amount) AS amount FROM share GROUP BY share.device_id, number
    ), rounded AS (
        SELECT total.device_id, number, amount,
               round(sum(coalesce(amount, 0)) OVER series::numeric, decimals) AS until_here
        FROM total
        WINDOW series AS (PARTITION BY total.device_id ORDER BY number)
    )
    SELECT rounded.device_id, starts[number],
           CASE WHEN amount IS NOT NULL
                THEN (until_here - lag(until_here, 1, 0) OVER (PARTITION BY rounded.device_id ORDER BY number))
                     ::double precision
           END
    FROM rounded CROSS JOIN grid
    ORDER BY rounded.device_id, number
$$;

-- migrate:down

DROP FUNCTION consumption(
    text, text, double precision, double precision, double precision, integer, bigint[], timestamptz, timestamptz,
    interval
);
DROP FUNCTION counter_steps(
    text, text, double precision, double precision, double precision, bigint[], timestamptz, timestamptz
);
DROP FUNCTION step_size(double precision, double precision, double precision, double precision, double precision);
DROP TABLE meter_replacement;
