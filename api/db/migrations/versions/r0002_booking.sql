-- Booking in one round trip: at six in the evening everybody asks at once.

-- A booking as it is shown.
CREATE VIEW shown_bookings WITH (security_invoker = true) AS
SELECT s.id, s.state, s.bay_id, s.expires_at, lower(s.during) AS starts_at, upper(s.during) AS ends_at,
       f.id AS facility_id, f.name, g.code AS bay_group, y.number, n.timezone, b.vehicle_id, b.walk_m, b.price_cents,
       b.household_id
FROM bookings b
JOIN stays s ON s.id = b.stay_id
JOIN bays y ON y.id = s.bay_id
JOIN bay_groups g ON g.id = y.bay_group_id
JOIN facilities f ON f.id = g.facility_id
JOIN neighbourhoods n ON n.id = f.neighbourhood_id;

-- Take a free bay for a household: at the first of some facilities, in their order, that has one for the whole period.
-- `stay` is NULL where none has, or where the household has another stay then, which `stay_in_way` tells. The caller has
-- locked the household. Calls may wait for each other's dead holds in a circle; the database ends one of them then, which
-- has done nothing and is asked again.
CREATE FUNCTION take_bay(
    wanted_by BIGINT,
    places BIGINT[],
    wanted TSTZRANGE,
    only_bay BIGINT,
    needed TEXT[],
    height DOUBLE PRECISION,
    hold_until TIMESTAMP WITH TIME ZONE,
    OUT stay BIGINT,
    OUT place BIGINT,
    OUT bay BIGINT,
    OUT bay_number INTEGER,
    OUT bay_group TEXT,
    OUT place_name TEXT,
    OUT price_cents BIGINT,
    OUT stay_in_way BOOLEAN
) LANGUAGE plpgsql AS $$
DECLARE
    share CONSTANT DOUBLE PRECISION := random();
    candidate BIGINT;
    offered RECORD;
    taken_bays BIGINT[];
    look_from INTEGER;
BEGIN
    FOREACH candidate IN ARRAY places LOOP
        FOR offered IN
            SELECT g.id, g.code, g.first_bay_id, o.first_number, o.last_number, f.name, f.night_price_cents
            FROM facilities f
            JOIN openings o ON o.facility_id = f.id
            JOIN bay_groups g ON g.id = o.bay_group_id
            WHERE f.id = candidate AND f.status = 'published' AND upper(wanted) <= f.materialised_until
              AND (f.max_height_m IS NULL OR height IS NULL OR height <= f.max_height_m)
              AND o.during @> wanted AND o.starts @> lower(wanted) AND o.ends @> upper(wanted)
              AND g.kinds @> needed
              AND (cardinality(needed) > 0 OR g.kinds && ARRAY['standard', 'large'])
            ORDER BY cardinality(g.kinds), g.position
        LOOP
            -- From a bay by chance upwards, else from the first: callers that come together seldom want the same.
            look_from := offered.first_number + floor(share * (offered.last_number - offered.first_number + 1));
            LOOP
                taken_bays := ARRAY(
                    SELECT s.bay_id FROM stays s
                    WHERE s.bay_id BETWEEN
                              COALESCE(offered.first_bay_id + offered.first_number - 1,
                                       first_bay_between(offered.id, offered.first_number, offered.last_number))
                          AND COALESCE(offered.first_bay_id + offered.last_number - 1,
                                       last_bay_between(offered.id, offered.first_number, offered.last_number))
                      AND s.during && wanted
                      AND s.state IN ('held', 'confirmed')
                      AND (s.state = 'confirmed' OR s.expires_at > clock_timestamp())
                );
                SELECT b.id, b.number INTO bay, bay_number FROM bays b
                WHERE b.bay_group_id = offered.id AND b.number BETWEEN look_from AND offered.last_number
                  AND (only_bay IS NULL OR b.id = only_bay) AND b.id <> ALL (taken_bays)
                ORDER BY b.number LIMIT 1;
                IF NOT FOUND THEN
                    SELECT b.id, b.number INTO bay, bay_number FROM bays b
                    WHERE b.bay_group_id = offered.id AND b.number BETWEEN offered.first_number AND look_from - 1
                      AND (only_bay IS NULL OR b.id = only_bay) AND b.id <> ALL (taken_bays)
                    ORDER BY b.number LIMIT 1;
                END IF;
                EXIT WHEN NOT FOUND;
                INSERT INTO stays (bay_id, household_id, during, kind, state, expires_at)
                VALUES (bay, wanted_by, wanted, 'booking',
                        CASE WHEN hold_until IS NULL THEN 'confirmed' ELSE 'held' END, hold_until)
                ON CONFLICT DO NOTHING
                RETURNING id INTO stay;
                IF stay IS NOT NULL THEN
                    place := candidate;
                    bay_group := offered.code;
                    place_name := offered.name;
                    price_cents := offered.night_price_cents;
                    RETURN;
                END IF;
                -- Somebody was faster, or a hold is in the way that has run out: look again.
                UPDATE stays s SET state = 'expired', ended_at = s.expires_at, expires_at = NULL
                WHERE s.bay_id = bay AND s.during && wanted AND s.state = 'held' AND s.expires_at <= clock_timestamp();
                IF EXISTS (
                    -- A night of its permit, placed at this moment.
                    SELECT FROM stays s
                    WHERE s.household_id = wanted_by AND s.state IN ('held', 'confirmed')
                      AND (s.during && wanted
                           OR hold_until IS NOT NULL AND s.state = 'held')
                ) THEN
                    stay_in_way := true;
                    RETURN;
                END IF;
            END LOOP;
        END LOOP;
    END LOOP;
END
$$;

-- Hold or book a bay: `problem` names why the request makes no sense or is not its sender's to make; else `outcome` is
-- the booking, or an object with the `reason` why there is none. Both are kept with the request's key.
CREATE FUNCTION book(
    kind TEXT, secret_hash BYTEA, visit_hash BYTEA, act TEXT,
    request_key TEXT, request_hash BYTEA,
    wanted TSTZRANGE, only_facility BIGINT, only_bay BIGINT, only_vehicle BIGINT, at_once BOOLEAN,
    hold INTERVAL, cooldown INTERVAL, most_ahead INTEGER, most_alternatives INTEGER
) RETURNS TABLE (problem TEXT, outcome JSON) LANGUAGE plpgsql AS $$
DECLARE
    who RECORD;
    place RECORD;
    car RECORD;
    before RECORD;
    held RECORD;
    again_at TIMESTAMP WITH TIME ZONE;
    standing RECORD;
    places BIGINT[];
    walks INTEGER[];
    walk INTEGER;
    until TIMESTAMP WITH TIME ZONE;
    hold_until TIMESTAMP WITH TIME ZONE;
    taken RECORD;
BEGIN
    SELECT * INTO who FROM begin_for_household(kind, secret_hash, visit_hash);
    IF who.problem IS NOT NULL THEN
        RETURN QUERY SELECT who.problem, NULL::json;
        RETURN;
    END IF;
    -- A committee worker's key means something else at every household.
    request_hash := request_hash || int8send(who.household_id);
    -- The key's lock comes first, so that whoever gets it sees what the one before has stored.
    IF NOT pg_try_advisory_xact_lock(2, hashtext(who.account_id || ' ' || request_key)) THEN
        RETURN QUERY SELECT 'in_flight', NULL::json;
        RETURN;
    END IF;
    SELECT r.request_sha256, r.outcome INTO before
    FROM booking_requests r WHERE r.account_id = who.account_id AND r.key = request_key;
    IF FOUND THEN
        RETURN QUERY SELECT CASE WHEN before.request_sha256 <> request_hash THEN 'key_reused' END, before.outcome;
        RETURN;
    END IF;

    SELECT h.home_id, o.neighbourhood_id, n.timezone, (n.policy->>'max_walk_m')::double precision AS max_walk_m INTO place
    FROM households h JOIN homes o ON o.id = h.home_id JOIN neighbourhoods n ON n.id = o.neighbourhood_id
    WHERE h.id = who.household_id;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'no_home', NULL::json;
        RETURN;
    END IF;
    IF only_facility IS NULL AND only_bay IS NULL THEN
        SELECT COALESCE(array_agg(w.facility_id ORDER BY w.walk_m, w.facility_id), '{}'),
               array_agg(w.walk_m ORDER BY w.walk_m, w.facility_id)
        INTO places, walks
        FROM walk_pairs w WHERE w.home_id = place.home_id AND w.walk_m <= place.max_walk_m;
    ELSE
        SELECT ARRAY[f.id], ARRAY[w.walk_m] INTO places, walks
        FROM facilities f LEFT JOIN walk_pairs w ON w.home_id = place.home_id AND w.facility_id = f.id
        WHERE f.status = 'published' AND f.neighbourhood_id = place.neighbourhood_id
          AND f.id = COALESCE(only_facility, (
              SELECT g.facility_id FROM bays b JOIN bay_groups g ON g.id = b.bay_group_id WHERE b.id = only_bay
          ))
          AND (only_bay IS NULL OR EXISTS (
              SELECT FROM bays b JOIN bay_groups g ON g.id = b.bay_group_id WHERE b.id = only_bay AND g.facility_id = f.id
          ));
        IF NOT FOUND THEN
            RETURN QUERY SELECT 'no_place', NULL::json;
            RETURN;
        END IF;
    END IF;
    SELECT count(*) AS number, min(v.id) AS id, string_to_array(min(v.needs), ' ') AS needs, min(v.height_m) AS height_m
    INTO car FROM vehicles v
    WHERE v.household_id = who.household_id AND v.withdrawn_at IS NULL AND (only_vehicle IS NULL OR v.id = only_vehicle);
    IF car.number <> 1 THEN
        RETURN QUERY SELECT 'vehicle_unclear', NULL::json;
        RETURN;
    END IF;

    -- Whoever shrinks what these facilities offer waits until we are done, or we see what is left. Everybody who locks
    -- several does so in the order of their ids, and before any row is changed.
    PERFORM pg_advisory_xact_lock_shared(wanted_place.id)
    FROM (SELECT unnest(places) AS id ORDER BY 1) wanted_place;
    -- One request of a household at a time.
    PERFORM pg_advisory_xact_lock(1, hashint8(who.household_id));
    SELECT s.id, s.expires_at <= clock_timestamp() AS is_dead INTO held
    FROM stays s WHERE s.household_id = who.household_id AND s.state = 'held';
    IF held.is_dead THEN
        -- Asked again of the row: its confirmation or its end may have been on its way.
        UPDATE stays s SET state = 'expired', ended_at = s.expires_at, expires_at = NULL
        WHERE s.id = held.id AND s.state = 'held' AND s.expires_at <= clock_timestamp();
        held.id := NULL;
    END IF;
    IF NOT at_once THEN
        SELECT max(s.ended_at) + cooldown INTO again_at
        FROM stays s WHERE s.household_id = who.household_id AND s.state = 'expired';
    END IF;
    SELECT count(*) FILTER (WHERE s.during && wanted) > 0 AS overlaps,
           min(s.id) FILTER (WHERE s.during && wanted AND s.kind = 'booking') AS overlapping,
           count(*) FILTER (WHERE s.kind = 'booking' AND upper(s.during) > clock_timestamp()) AS ahead
    INTO standing FROM stays s
    WHERE s.household_id = who.household_id AND s.state IN ('held', 'confirmed')
      AND upper(s.during) > least(clock_timestamp(), lower(wanted));
    outcome := CASE
        WHEN standing.overlaps THEN
            json_build_object('reason', 'overlapping', 'booking', standing.overlapping)
        WHEN held.id IS NOT NULL AND NOT at_once THEN json_build_object('reason', 'held', 'booking', held.id)
        WHEN standing.ahead >= most_ahead THEN json_build_object('reason', 'too_many')
        WHEN again_at > clock_timestamp() THEN json_build_object('reason', 'cooldown', 'again_at', again_at)
    END;
    IF outcome IS NULL THEN
        -- Read before looking for a bay, so that a roll that ends in between is not taken for a full house.
        SELECT max(f.materialised_until) INTO until
        FROM facilities f WHERE f.id = ANY (places) AND f.status = 'published';
        hold_until := CASE WHEN NOT at_once THEN clock_timestamp() + hold END;
        SELECT * INTO taken FROM take_bay(
            who.household_id, places, wanted, only_bay, car.needs, car.height_m, hold_until
        );
        IF taken.stay_in_way THEN
            outcome := json_build_object('reason', 'overlapping', 'booking', NULL);
        ELSIF taken.stay IS NULL THEN
            IF until < upper(wanted) THEN
                RETURN QUERY SELECT 'not_bookable_yet', json_build_object('until', until);
                RETURN;
            END IF;
            outcome := json_build_object('reason', 'full', 'alternatives', alternatives(
                who.household_id, place.home_id, wanted, car.needs, car.height_m,
                CASE WHEN only_facility IS NULL AND only_bay IS NULL THEN '{}' ELSE places END, most_alternatives
            ));
        ELSE
            walk := walks[array_position(places, taken.place)];
            INSERT INTO bookings (stay_id, household_id, vehicle_id, booked_by, walk_m, price_cents)
            VALUES (taken.stay, who.household_id, car.id, who.account_id, walk, taken.price_cents);
            -- As shown_bookings has it, which would look everything up again.
            outcome := json_build_object(
                'id', taken.stay, 'state', CASE WHEN at_once THEN 'confirmed' ELSE 'held' END, 'bay_id', taken.bay,
                'expires_at', hold_until, 'starts_at', lower(wanted), 'ends_at', upper(wanted),
                'facility_id', taken.place, 'name', taken.place_name, 'bay_group', taken.bay_group,
                'number', taken.bay_number, 'timezone', place.timezone, 'vehicle_id', car.id, 'walk_m', walk,
                'price_cents', taken.price_cents
            );
        END IF;
    END IF;
    -- Whoever was asked to wait asks again as it was asked: nothing was done that could be done twice.
    IF outcome->>'reason' IS DISTINCT FROM 'cooldown' THEN
        INSERT INTO booking_requests (account_id, key, request_sha256, outcome)
        VALUES (who.account_id, request_key, request_hash, outcome);
    END IF;
    IF who.on_behalf THEN
        PERFORM note_act(who.account_id, who.household_id, act);
    END IF;
    RETURN NEXT;
END
$$;

-- Confirm a hold that has not run out, in one statement: whoever expires it comes before or after. Doing it twice is the
-- same as doing it once. Answers as book() does.
CREATE FUNCTION confirm_booking(kind TEXT, secret_hash BYTEA, visit_hash BYTEA, act TEXT, booking BIGINT)
RETURNS TABLE (problem TEXT, outcome JSON) LANGUAGE plpgsql AS $$
DECLARE
    who RECORD;
BEGIN
    SELECT * INTO who FROM begin_for_household(kind, secret_hash, visit_hash);
    IF who.problem IS NULL THEN
        UPDATE stays s SET state = 'confirmed', expires_at = NULL
        FROM bookings b
        WHERE s.id = booking AND b.stay_id = s.id AND b.household_id = who.household_id
          AND s.state = 'held' AND s.expires_at > clock_timestamp();
        IF FOUND AND who.on_behalf THEN
            PERFORM note_act(who.account_id, who.household_id, act);
        END IF;
        SELECT CASE WHEN b.state = 'confirmed' THEN row_to_json(b)
                    ELSE json_build_object('reason', 'hold_expired', 'booking', booking) END
        INTO outcome FROM shown_bookings b WHERE b.id = booking AND b.household_id = who.household_id;
    END IF;
    problem := COALESCE(who.problem, CASE WHEN outcome IS NULL THEN 'not_found' END);
    RETURN NEXT;
END
$$;

-- Cancel a booking that has not begun, or a hold; give the rest of another back. Doing it twice is the same as doing it
-- once. Answers as book() does.
CREATE FUNCTION cancel_booking(kind TEXT, secret_hash BYTEA, visit_hash BYTEA, act TEXT, booking BIGINT)
RETURNS TABLE (problem TEXT, outcome JSON) LANGUAGE plpgsql AS $$
DECLARE
    who RECORD;
BEGIN
    SELECT * INTO who FROM begin_for_household(kind, secret_hash, visit_hash);
    IF who.problem IS NULL THEN
        UPDATE stays s SET
            state = CASE WHEN s.state = 'held' OR lower(s.during) >= clock_timestamp() THEN 'cancelled'
                         ELSE 'given_back' END,
            expires_at = NULL,
            ended_at = clock_timestamp()
        FROM bookings b
        WHERE s.id = booking AND b.stay_id = s.id AND b.household_id = who.household_id
          AND upper(s.during) > clock_timestamp()
          AND (s.state = 'confirmed' OR s.state = 'held' AND s.expires_at > clock_timestamp());
        IF FOUND AND who.on_behalf THEN
            PERFORM note_act(who.account_id, who.household_id, act);
        END IF;
        SELECT row_to_json(b) INTO outcome
        FROM shown_bookings b WHERE b.id = booking AND b.household_id = who.household_id;
    END IF;
    problem := COALESCE(who.problem, CASE WHEN outcome IS NULL THEN 'not_found' END);
    RETURN NEXT;
END
$$;

-- Begin a request that only whoever acts for a household may make.
CREATE FUNCTION begin_for_household(
    kind TEXT, secret_hash BYTEA, visit_hash BYTEA,
    OUT problem TEXT, OUT account_id BIGINT, OUT household_id BIGINT, OUT on_behalf BOOLEAN
) LANGUAGE plpgsql AS $$
BEGIN
    SELECT r.account_id, r.household_id, r.on_behalf INTO account_id, household_id, on_behalf
    FROM begin_request(kind, secret_hash, visit_hash) r;
    problem := CASE
        WHEN account_id IS NULL THEN 'not_signed_in'
        WHEN visit_hash IS NOT NULL AND NOT on_behalf THEN 'not_allowed'
        WHEN household_id IS NULL THEN 'no_household'
    END;
END
$$;

-- Note what a committee worker does in the name of a household, under the mandate that covers it.
CREATE FUNCTION note_act(worker BIGINT, household BIGINT, what TEXT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO acts (household_id, account_id, sub_district, act)
    SELECT household, worker, (SELECT o.estate FROM households h JOIN homes o ON o.id = h.home_id WHERE h.id = household), what;
END
$$;

-- The time zone that the household lives in for which somebody acts; NULL where nobody may.
CREATE FUNCTION zone_of_household(kind TEXT, secret_hash BYTEA, visit_hash BYTEA) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
    who RECORD;
BEGIN
    SELECT * INTO who FROM begin_for_household(kind, secret_hash, visit_hash);
    RETURN (
        SELECT n.timezone FROM households h JOIN homes o ON o.id = h.home_id
        JOIN neighbourhoods n ON n.id = o.neighbourhood_id WHERE h.id = who.household_id AND who.problem IS NULL
    );
END
$$;
