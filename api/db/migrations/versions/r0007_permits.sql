-- Bays that a facility adds in a running term come free for the list too; no permit had them before.
ALTER TABLE waitlist_releases ALTER COLUMN permit_id DROP NOT NULL;
ALTER TABLE waitlist_releases DROP CONSTRAINT waitlist_releases_cause_check;
ALTER TABLE waitlist_releases ADD CONSTRAINT waitlist_releases_cause_check CHECK (
    cause IN ('declined', 'lapsed', 'given_up', 'withdrawn', 'moved', 'strikes', 'ineligible', 'added')
);
ALTER TABLE waitlist_releases ADD CONSTRAINT waitlist_releases_permit_check CHECK ((cause = 'added') = (permit_id IS NULL));

-- Who struck a car that had to be reviewed; nobody where the rule did.
ALTER TABLE strikes ADD COLUMN struck_by BIGINT;

-- The rules that held when a strike was given; of those given before this was kept, the rules of today. Whoever owns the
-- table sees no row of it while its policies are forced on owners too.
ALTER TABLE strikes ADD COLUMN policy JSONB, NO FORCE ROW LEVEL SECURITY;
UPDATE strikes s SET policy = COALESCE(
    (SELECT p.policy FROM overstay_policies p JOIN facilities f ON f.neighbourhood_id = p.neighbourhood_id
     WHERE f.id = s.facility_id),
    '{"grace_min": 15, "remind_min": 30, "expires_days": 180, "appeal_days": 7, "wait_h": 24, "ladder": [
        {"act": "warning", "amount_cents": null, "nights": null},
        {"act": "fee", "amount_cents": 5000, "nights": null},
        {"act": "suspension", "amount_cents": null, "nights": 7},
        {"act": "end", "amount_cents": null, "nights": 30}
    ]}'
);
ALTER TABLE strikes ALTER COLUMN policy SET NOT NULL, FORCE ROW LEVEL SECURITY;

-- Owners see which lists their webhooks do not take, and why.
ALTER TABLE allow_list_pushes ADD COLUMN error TEXT, ADD COLUMN failing_since TIMESTAMP WITH TIME ZONE;
GRANT UPDATE (error, failing_since) ON allow_list_pushes TO baytide_service;
CREATE POLICY allow_list_pushes_read ON allow_list_pushes FOR SELECT TO baytide_service
    USING (EXISTS (SELECT FROM webhook_endpoints e WHERE e.id = endpoint_id));

-- What a booking loses of its price when its stay is made to end earlier while the car stands there.
ALTER TABLE bookings ADD COLUMN lost_cents BIGINT NOT NULL DEFAULT 0;
ALTER TABLE bookings ADD CONSTRAINT bookings_lost_cents_check CHECK (lost_cents BETWEEN 0 AND COALESCE(price_cents, 0));
CREATE INDEX bookings_lost_idx ON bookings (stay_id) WHERE lost_cents > 0;
GRANT UPDATE (lost_cents) ON bookings TO baytide_service;
CREATE POLICY bookings_shortened ON bookings FOR UPDATE TO baytide_service USING (acts_as('worker'));

-- Bays that are taken back while a car stands there: it has time to leave, and its household can have another bay at once.
ALTER TABLE stays DROP CONSTRAINT stays_state_check;
ALTER TABLE stays ADD CONSTRAINT stays_state_check CHECK (
    state IN ('held', 'confirmed', 'leaving', 'cancelled', 'expired', 'given_back')
);
CREATE INDEX stays_leaving_idx ON stays (bay_id) WHERE state = 'leaving';

-- As in revision 0002, which r0007_permits.py puts back, but for the bays that are out of use.
CREATE OR REPLACE FUNCTION longest_part(
    places BIGINT[], wanted TSTZRANGE, needed TEXT[], height DOUBLE PRECISION, shortest INTERVAL,
    OUT place BIGINT, OUT part TSTZRANGE
) LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    offered RECORD;
    sold TSTZRANGE;
    found TSTZRANGE;
BEGIN
    FOR offered IN
        SELECT o.facility_id, g.id AS group_id, g.first_bay_id, o.first_number, o.last_number, o.starts, o.ends,
               o.during * tstzrange(NULL, f.materialised_until) AS sold,
               COALESCE(g.first_bay_id + o.first_number - 1, first_bay_between(g.id, o.first_number, o.last_number)) AS first,
               COALESCE(g.first_bay_id + o.last_number - 1, last_bay_between(g.id, o.first_number, o.last_number)) AS last
        FROM facilities f
        JOIN openings o ON o.facility_id = f.id
        JOIN bay_groups g ON g.id = o.bay_group_id
        WHERE f.id = ANY (places) AND f.status = 'published' AND f.materialised_until IS NOT NULL
          AND (f.max_height_m IS NULL OR height IS NULL OR height <= f.max_height_m)
          AND o.during && wanted
          AND g.kinds @> needed
          AND (cardinality(needed) > 0 OR g.kinds && ARRAY['standard', 'large'])
    LOOP
        sold := offered.sold * wanted;
        -- At six most have no bay left for any part of the night, which is seen soon.
        CONTINUE WHEN isempty(sold) OR offered.first_bay_id IS NOT NULL AND offered.last_number - offered.first_number < (
            SELECT count(DISTINCT s.bay_id) FROM stays s
            WHERE s.bay_id BETWEEN offered.first AND offered.last AND s.during @> sold
              AND (s.state = 'confirmed' OR s.state = 'held' AND s.expires_at > statement_timestamp())
        );
        WITH busy AS MATERIALIZED (
            SELECT range_agg(no_use.during) AS during
            FROM (
                SELECT s.bay_id, s.during
                FROM stays s
                WHERE s.bay_id BETWEEN offered.first AND offered.last AND s.during && sold
                  AND (s.state = 'confirmed' OR s.state = 'held' AND s.expires_at > statement_timestamp())
                  AND (offered.first_bay_id IS NOT NULL OR EXISTS (
                      SELECT FROM bays b
                      WHERE b.id = s.bay_id AND b.bay_group_id = offered.group_id
                        AND b.number BETWEEN offered.first_number AND offered.last_number
                  ))
                UNION ALL
                SELECT u.bay_id, tstzrange(u.starts_at, u.ends_at)
                FROM bays_out_of_use u JOIN bays b ON b.id = u.bay_id
                WHERE b.bay_group_id = offered.group_id
                  AND b.number BETWEEN offered.first_number AND offered.last_number
                  AND tstzrange(u.starts_at, u.ends_at) && sold
            ) no_use
            GROUP BY no_use.bay_id
        )
        SELECT tstzrange(parts.begins, parts.leaves) INTO found
        FROM (
            SELECT lower(offered.starts * moments.there) AS begins,
                   -- The last moment may be one just before hours without movement.
                   CASE WHEN offered.ends @> upper(offered.ends * moments.there) THEN upper(offered.ends * moments.there)
                        ELSE upper(offered.ends * moments.there) - interval '1 minute' END AS leaves
            FROM (
                -- Bays that are taken alike are one row, all that are free another: a large garage costs little more
                -- than a small one.
                SELECT b.during FROM busy b
                UNION
                SELECT '{}' WHERE (SELECT count(*) FROM busy) <= offered.last_number - offered.first_number
            ) taken
            CROSS JOIN LATERAL unnest(tstzmultirange(sold) - taken.during) gap
            CROSS JOIN LATERAL (
                SELECT tstzmultirange(tstzrange(lower(gap), upper(gap), '[]')) AS there
            ) moments
        ) parts
        WHERE parts.leaves - parts.begins >= shortest
        ORDER BY parts.leaves - parts.begins DESC, parts.begins
        LIMIT 1;
        IF found IS NOT NULL AND (
            part IS NULL OR (lower(found) - upper(found), lower(found), offered.facility_id)
                          < (lower(part) - upper(part), lower(part), place)
        ) THEN
            place := offered.facility_id;
            part := found;
        END IF;
    END LOOP;
END
$$;

-- As in revision 0005, which r0007_permits.py puts back, but for stays that are over and those that have to leave. What was listed for them is history:
-- a car that is changed or withdrawn later changes nothing about which one was there.
CREATE OR REPLACE FUNCTION allowed_stays(place BIGINT, at TIMESTAMP WITH TIME ZONE)
RETURNS TABLE (
    stay_id BIGINT, bay_id BIGINT, kind TEXT, plate_hash BYTEA, plate_sealed BYTEA,
    starts_at TIMESTAMP WITH TIME ZONE, ends_at TIMESTAMP WITH TIME ZONE
) LANGUAGE sql STABLE AS $$
    SELECT s.id, s.bay_id, s.kind, car.plate_hash, car.plate_sealed, lower(s.during), upper(s.during)
    FROM bay_groups g
    JOIN bays b ON b.bay_group_id = g.id
    CROSS JOIN LATERAL (
        SELECT s.id, s.bay_id, s.household_id, s.permit_id, s.kind, s.during FROM stays s
        WHERE s.bay_id = b.id AND s.bay_id IS NOT NULL AND s.state IN ('held', 'confirmed') AND s.state = 'confirmed'
          AND s.during && tstzrange(at - interval '2 days', NULL)
        UNION ALL
        SELECT s.id, s.bay_id, s.household_id, s.permit_id, s.kind, s.during FROM stays s
        WHERE s.bay_id = b.id AND s.state = 'leaving' AND s.during && tstzrange(at - interval '2 days', NULL)
        OFFSET 0  -- bay by bay: the planner takes a facility for half a small city, and would read every stay there is
    ) s
    CROSS JOIN LATERAL (
        SELECT v.plate_hash, v.plate_sealed FROM vehicles v
        WHERE v.household_id = s.household_id AND v.withdrawn_at IS NULL
          AND (upper(s.during) > at OR NOT EXISTS (SELECT FROM allow_list_rows r WHERE r.stay_id = s.id))
        UNION ALL
        SELECT r.plate_hash, r.plate_sealed FROM allow_list_rows r
        WHERE r.stay_id = s.id AND r.removed_version IS NULL AND upper(s.during) <= at
    ) car
    LEFT JOIN permits p ON p.id = s.permit_id
    WHERE g.facility_id = place AND p.state IS DISTINCT FROM 'offered'
      AND NOT EXISTS (
          SELECT FROM plates_off_list o
          WHERE o.household_id = s.household_id AND o.starts_at <= greatest(at, lower(s.during))
            AND o.ends_at > greatest(at, lower(s.during)) AND upper(s.during) > at
      )
$$;

-- DOWN
DROP INDEX stays_leaving_idx;
UPDATE stays SET state = 'cancelled' WHERE state = 'leaving';
ALTER TABLE stays DROP CONSTRAINT stays_state_check;
ALTER TABLE stays ADD CONSTRAINT stays_state_check CHECK (
    state IN ('held', 'confirmed', 'cancelled', 'expired', 'given_back')
);
ALTER TABLE strikes DROP COLUMN struck_by, DROP COLUMN policy;
DROP POLICY allow_list_pushes_read ON allow_list_pushes;
ALTER TABLE allow_list_pushes DROP COLUMN error, DROP COLUMN failing_since;
DROP POLICY bookings_shortened ON bookings;
REVOKE UPDATE (lost_cents) ON bookings FROM baytide_service;
ALTER TABLE bookings DROP COLUMN lost_cents;
DELETE FROM waitlist_releases WHERE cause = 'added';
ALTER TABLE waitlist_releases DROP CONSTRAINT waitlist_releases_permit_check;
ALTER TABLE waitlist_releases DROP CONSTRAINT waitlist_releases_cause_check;
ALTER TABLE waitlist_releases ADD CONSTRAINT waitlist_releases_cause_check CHECK (
    cause IN ('declined', 'lapsed', 'given_up', 'withdrawn', 'moved', 'strikes', 'ineligible')
);
ALTER TABLE waitlist_releases ALTER COLUMN permit_id SET NOT NULL;
