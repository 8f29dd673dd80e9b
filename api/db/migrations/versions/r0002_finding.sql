-- What is free, in one round trip: at six in the evening everybody asks at once.

-- The first and the last id of some bays of a group, for groups whose bays were not all made together.
CREATE FUNCTION first_bay_between(bay_group BIGINT, first_number INTEGER, last_number INTEGER) RETURNS BIGINT
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT min(b.id) FROM (
        SELECT y.id FROM bays y WHERE y.bay_group_id = bay_group AND y.number BETWEEN first_number AND last_number
        OFFSET 0  -- else all bays there are would be walked through from the lowest id
    ) b
$$;

CREATE FUNCTION last_bay_between(bay_group BIGINT, first_number INTEGER, last_number INTEGER) RETURNS BIGINT
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT max(b.id) FROM (
        SELECT y.id FROM bays y WHERE y.bay_group_id = bay_group AND y.number BETWEEN first_number AND last_number
        OFFSET 0
    ) b
$$;

-- Bays of a facility that are free for the whole of a period, in openings that let a stay begin and end then; and when
-- the latest of these openings ends. A bay is in one opening at a moment, so that bays are counted opening by opening.
-- Stays that keep others out do not overlap on a bay, so that bay and period name one of them. In SQL, so that it becomes
-- a part of whatever asks.
CREATE FUNCTION free_bays_of(place BIGINT, wanted TSTZRANGE, needed TEXT[])
RETURNS TABLE (bays BIGINT, leave_by TIMESTAMP WITH TIME ZONE) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- Holds that have run out and that nobody has swept away yet: few, and found by an index of their own.
    WITH dead AS MATERIALIZED (
        SELECT s.bay_id, s.during FROM stays s WHERE s.state = 'held' AND s.expires_at <= statement_timestamp()
    )
    SELECT COALESCE(sum(part.bays), 0)::bigint, max(upper(part.during)) FILTER (WHERE part.bays > 0)
    FROM (
        SELECT o.during, o.last_number - o.first_number + 1 - taken.num_bays AS bays
        FROM openings o
        JOIN bay_groups g ON g.id = o.bay_group_id
        CROSS JOIN LATERAL (
            -- Stays on bays that were made together lie side by side in the index: one look for all takes a fortieth of a
            -- look for each.
            SELECT count(DISTINCT s.bay_id) AS num_bays
            FROM stays s
            WHERE s.bay_id BETWEEN
                      COALESCE(g.first_bay_id + o.first_number - 1,
                               first_bay_between(g.id, o.first_number, o.last_number))
                  AND COALESCE(g.first_bay_id + o.last_number - 1,
                               last_bay_between(g.id, o.first_number, o.last_number))
              AND s.during && wanted
              AND s.state IN ('held', 'confirmed')
              AND NOT EXISTS (SELECT FROM dead WHERE dead.bay_id = s.bay_id AND dead.during = s.during)
              -- Bays that came later lie elsewhere, with others' between.
              AND (g.first_bay_id IS NOT NULL OR EXISTS (
                  SELECT FROM bays b
                  WHERE b.id = s.bay_id AND b.bay_group_id = g.id AND b.number BETWEEN o.first_number AND o.last_number
              ))
        ) taken
        WHERE o.facility_id = place
          AND o.during @> wanted
          AND o.starts @> lower(wanted)
          AND o.ends @> upper(wanted)
          AND g.kinds @> needed
          AND (cardinality(needed) > 0 OR g.kinds && ARRAY['standard', 'large'])
    ) part
$$;

-- The first of some published facilities, in their order, that have a bay free for the whole of a period.
CREATE FUNCTION first_free(
    places BIGINT[],
    walks INTEGER[],
    wanted TSTZRANGE,
    needed TEXT[],
    height DOUBLE PRECISION,
    most_cents BIGINT,
    most INTEGER
) RETURNS TABLE (place BIGINT, walk_m INTEGER, free_bays INTEGER, leave_by TIMESTAMP WITH TIME ZONE)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10 AS $$  -- of a thousand, as is assumed, every facility would be read
DECLARE
    num_missing INTEGER := most;
    num_seen INTEGER := 0;
    num_looked INTEGER;
    num_found INTEGER;
BEGIN
    -- As many at once as are missing: so many have to be looked at in any case.
    WHILE num_missing > 0 AND num_seen < COALESCE(cardinality(places), 0) LOOP
        num_looked := num_missing;
        RETURN QUERY
        SELECT f.id, here.walk_m, free.bays::integer, free.leave_by
        FROM unnest(
            places[num_seen + 1 : num_seen + num_looked], walks[num_seen + 1 : num_seen + num_looked]
        ) WITH ORDINALITY AS here (place, walk_m, number)
        JOIN facilities f ON f.id = here.place
        CROSS JOIN LATERAL free_bays_of(f.id, wanted, needed) free
        WHERE f.status = 'published' AND f.materialised_until >= upper(wanted)
          AND (f.max_height_m IS NULL OR height IS NULL OR height <= f.max_height_m)
          AND (most_cents IS NULL OR COALESCE(f.night_price_cents, 0) <= most_cents)
          AND free.bays > 0
        ORDER BY here.number;
        GET DIAGNOSTICS num_found = ROW_COUNT;
        num_seen := num_seen + num_looked;
        num_missing := num_missing - num_found;
    END LOOP;
END
$$;

-- The longest part of a period for which one bay of some facilities is free; NULL where all are shorter.
CREATE FUNCTION longest_part(
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
            SELECT range_agg(s.during) AS during
            FROM stays s
            WHERE s.bay_id BETWEEN offered.first AND offered.last AND s.during && sold
              AND (s.state = 'confirmed' OR s.state = 'held' AND s.expires_at > statement_timestamp())
              AND (offered.first_bay_id IS NOT NULL OR EXISTS (
                  SELECT FROM bays b
                  WHERE b.id = s.bay_id AND b.bay_group_id = offered.group_id
                    AND b.number BETWEEN offered.first_number AND offered.last_number
              ))
            GROUP BY s.bay_id
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

-- What a household can still have when what it asked for is gone, as a JSON list of at most so many: other facilities
-- for the whole period, the nearest first; the longest free part of it at the facilities asked for (none: any would have
-- done, and all within its walk are full), or at the nearest; and the next night with a bay for the same hours. Walks may
-- be longer than the household asked for: what is known of a home reaches 1,000 m. Nights on which the household has a
-- stay are left out. Nothing is held for anybody.
CREATE FUNCTION alternatives(
    for_household BIGINT,
    from_home BIGINT,
    wanted TSTZRANGE,
    needed TEXT[],
    height DOUBLE PRECISION,
    asked BIGINT[],
    most INTEGER
) RETURNS JSON LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    most_nights_later CONSTANT INTEGER := 3;
    shortest CONSTANT INTERVAL := '1 hour';  -- nobody drives off for less
    places BIGINT[];
    walks INTEGER[];
    others BIGINT[];
    other_walks INTEGER[];
    zone TEXT;
    longest RECORD;
    part JSON[] := '{}';
    night JSON[] := '{}';
    later TSTZRANGE;
BEGIN
    SELECT array_agg(w.facility_id ORDER BY w.walk_m, w.facility_id),
           array_agg(w.walk_m ORDER BY w.walk_m, w.facility_id),
           array_agg(w.facility_id ORDER BY w.walk_m, w.facility_id) FILTER (WHERE w.facility_id <> ALL (asked)),
           array_agg(w.walk_m ORDER BY w.walk_m, w.facility_id) FILTER (WHERE w.facility_id <> ALL (asked))
    INTO places, walks, others, other_walks
    FROM walk_pairs w WHERE w.home_id = from_home;
    longest := longest_part(
        CASE WHEN cardinality(asked) > 0 THEN asked ELSE places[1:1] END, wanted, needed, height, shortest
    );
    IF longest.part <> wanted AND longest.place = ANY (places) THEN
        part := alternatives_at(
            'part_of_period', ARRAY[longest.place], ARRAY[walks[array_position(places, longest.place)]],
            longest.part, needed, height, 1
        );
    END IF;
    SELECT n.timezone INTO zone FROM homes h JOIN neighbourhoods n ON n.id = h.neighbourhood_id WHERE h.id = from_home;
    FOR nights IN 1 .. most_nights_later LOOP
        later := tstzrange(
            (lower(wanted) AT TIME ZONE zone + make_interval(days => nights)) AT TIME ZONE zone,
            (upper(wanted) AT TIME ZONE zone + make_interval(days => nights)) AT TIME ZONE zone
        );
        CONTINUE WHEN EXISTS (
            SELECT FROM stays s
            WHERE s.household_id = for_household AND s.state IN ('held', 'confirmed')
              AND s.during && later
        );
        night := alternatives_at('later_night', places, walks, later, needed, height, 1);
        EXIT WHEN cardinality(night) > 0;
    END LOOP;
    RETURN array_to_json((
        alternatives_at(
            'other_facility', others, other_walks, wanted, needed, height,
            greatest(1, most - cardinality(part) - cardinality(night))
        ) || part || night
    )[1:most]);
END
$$;

CREATE FUNCTION alternatives_at(
    why TEXT, places BIGINT[], walks INTEGER[], wanted TSTZRANGE, needed TEXT[], height DOUBLE PRECISION, most INTEGER
) RETURNS JSON[] LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN ARRAY(
        SELECT json_build_object(
            'why', why, 'facility', f.id, 'name', f.name, 'walk_m', free.walk_m, 'from', lower(wanted),
            'to', upper(wanted), 'free_bays', free.free_bays, 'price_cents', f.night_price_cents
        )
        FROM first_free(places, walks, wanted, needed, height, NULL, most) free JOIN facilities f ON f.id = free.place
        ORDER BY free.walk_m, f.id
    );
END
$$;
