-- migrate:up

SET LOCAL lock_timeout = '5s';
-- Every event of doors, gates, cameras and gateways is looked at.
SET LOCAL statement_timeout = '60min';
SET LOCAL timescaledb.max_tuples_decompressed_per_dml_transaction = 0;

-- A request to erase what is stored of a person or of the devices of a household. It stays for a while: what was sent
-- until then and is still on its way is left out when it arrives. `digest` is a hash of the keyed hash of a plate or of a
-- door user, so that the keyed hash itself is in no table any more. Readers hold the table until their transaction ends.
CREATE TABLE erasure (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest bytea,
    community text REFERENCES community (id),
    device_id bigint REFERENCES device (id),
    until timestamptz NOT NULL,
    CHECK (num_nonnulls(digest, device_id) = 1),
    CHECK (community IS NULL OR digest IS NOT NULL)
);

-- Ids of events that may be plates or names in the words of their device. The key of their hashes is not in the database.
UPDATE event SET id = replace(gen_random_uuid()::text, '-', '')
FROM device
WHERE device.id = event.device_id AND event.id <> ''
    AND device.kind IN ('access_control', 'vehicle_gate', 'camera', 'gateway');

-- Masks that left too few candidates. `蒙K·A**34` becomes `蒙K·****4`, and every mask but that of a name `***`.
CREATE OR REPLACE FUNCTION pg_temp.remasked(masked jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
    SELECT masked
        || CASE WHEN masked ? 'plate_masked' THEN jsonb_build_object('plate_masked', CASE
            WHEN masked ->> 'plate_masked'
                ~ '^[京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新][A-Z]·[0-9A-Z]\*{2,3}[0-9A-Z][0-9A-Z警学挂港澳使领试超]$'
            THEN regexp_replace(masked ->> 'plate_masked', '·.(\**).', '·\1**')
            ELSE '***'
        END) ELSE '{}' END
        || CASE WHEN masked ? 'user_masked' THEN jsonb_build_object('user_masked', CASE
            WHEN masked ->> 'user_masked' ~ '^[㐀-鿿]\*\*$' THEN masked ->> 'user_masked' ELSE '***'
        END) ELSE '{}' END
$$;

UPDATE event SET data = pg_temp.remasked(data) WHERE data ?| ARRAY['plate_masked', 'user_masked'];
UPDATE alert_transition SET inputs = jsonb_set(inputs, '{values}', pg_temp.remasked(inputs -> 'values'))
WHERE inputs -> 'values' ?| ARRAY['plate_masked', 'user_masked'];
UPDATE shadow_transition SET inputs = jsonb_set(inputs, '{values}', pg_temp.remasked(inputs -> 'values'))
WHERE inputs -> 'values' ?| ARRAY['plate_masked', 'user_masked'];
UPDATE rule_state SET memory = jsonb_set(memory, '{inputs,values}', pg_temp.remasked(memory -> 'inputs' -> 'values'))
WHERE memory -> 'inputs' -> 'values' ?| ARRAY['plate_masked', 'user_masked'];

-- Words of a sender that may be a person's: names of devices, of events and of fields. Their numbers stay.
DELETE FROM rejection
WHERE device_id IN (SELECT id FROM device WHERE kind IN ('access_control', 'vehicle_gate', 'camera', 'gateway'))
    OR (device_id IS NULL AND split_part(topic, '/', 4) NOT IN (
        'electricity_meter', 'water_meter', 'gas_meter', 'heat_meter', 'ev_charger', 'ebike_charger'
    ));

-- migrate:down

DROP TABLE erasure;
