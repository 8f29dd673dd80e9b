-- Who may read and change what: a role that owns nothing, its privileges, and row-level security on identity.
--
-- A request is opened by begin_request(), which takes on the role and says in settings of the transaction who acts.
-- Without it, or with nobody signed in, identity is invisible.

-- Roles belong to the whole server: another database of it may have made this one, perhaps at this moment.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'baytide_service') THEN
        CREATE ROLE baytide_service NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'baytide_service' AND (rolsuper OR rolbypassrls)) THEN
        RAISE EXCEPTION 'the role baytide_service may pass by row-level security: take that right from it';
    END IF;
    -- Since PostgreSQL 16 whoever makes a role is its member, but may not take it on.
    IF NOT pg_has_role(
        current_user,
        'baytide_service',
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
    ) THEN
        EXECUTE format('GRANT baytide_service TO %I', current_user);
    END IF;
END
$$;
GRANT USAGE ON SCHEMA public TO baytide_service;

-- ------------------------------------------------------------------------------------------------------ who acts

CREATE FUNCTION acting_account() RETURNS BIGINT LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT NULLIF(current_setting('baytide.account_id', true), '')::bigint $$;

CREATE FUNCTION acting_household() RETURNS BIGINT LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT NULLIF(current_setting('baytide.household_id', true), '')::bigint $$;

CREATE FUNCTION acting_owners() RETURNS BIGINT[] LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT COALESCE(NULLIF(current_setting('baytide.owner_ids', true), ''), '{}')::bigint[] $$;

CREATE FUNCTION acts_as(role TEXT) RETURNS BOOLEAN LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT COALESCE(role = ANY (string_to_array(current_setting('baytide.roles', true), ',')), false) $$;

-- Bytes that somebody showed or asked for exactly, which opens the one row that has them.
CREATE FUNCTION shown(what TEXT) RETURNS BYTEA LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT decode(NULLIF(current_setting('baytide.' || what, true), ''), 'hex') $$;

CREATE FUNCTION asked(what TEXT) RETURNS TEXT LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT NULLIF(current_setting('baytide.asked_' || what, true), '') $$;

-- Open a request: take on the service's role, find out who shows this secret, and note who acts. One round trip.
CREATE FUNCTION begin_request(kind TEXT, secret_hash BYTEA, visit_hash BYTEA)
RETURNS TABLE (
    account_id BIGINT, household_id BIGINT, roles TEXT[], owner_ids BIGINT[], facility_id BIGINT, on_behalf BOOLEAN
) LANGUAGE plpgsql AS $$
DECLARE
    enabled BOOLEAN;
    done TEXT;
BEGIN
    PERFORM set_config('role', 'baytide_service', true),
        set_config('baytide.secret', COALESCE(encode(secret_hash, 'hex'), ''), true),
        set_config('baytide.visit', COALESCE(encode(visit_hash, 'hex'), ''), true),
        set_config('baytide.account_id', '', true),
        set_config('baytide.household_id', '', true),
        set_config('baytide.roles', '', true),
        set_config('baytide.owner_ids', '', true),
        set_config('baytide.asked_issuer', '', true),
        set_config('baytide.asked_subject', '', true),
        set_config('baytide.asked_account', '', true),
        set_config('baytide.asked_plate', '', true);
    roles := '{}';
    owner_ids := '{}';
    on_behalf := false;
    IF kind = 'bearer_token' THEN
        SELECT t.account_id, set_config('baytide.account_id', t.account_id::text, true) INTO account_id, done
        FROM bearer_tokens t
        WHERE t.secret_hash = begin_request.secret_hash AND t.revoked_at IS NULL AND t.expires_at > clock_timestamp();
    ELSIF kind = 'login_session' THEN
        SELECT s.account_id, set_config('baytide.account_id', s.account_id::text, true) INTO account_id, done
        FROM login_sessions s
        WHERE s.secret_hash = begin_request.secret_hash AND s.revoked_at IS NULL AND s.expires_at > clock_timestamp();
    ELSIF kind = 'gate_device' THEN
        SELECT g.facility_id INTO facility_id FROM gate_devices g
        WHERE g.revoked_at IS NULL AND (
            g.key_hash = secret_hash
            OR g.former_key_hash = secret_hash AND g.former_key_until > clock_timestamp()
        );
    END IF;
    IF account_id IS NULL THEN
        RETURN NEXT;
        RETURN;
    END IF;
    -- What follows sees this account's own rows.
    SELECT true, m.household_id, COALESCE(g.roles, '{}'), COALESCE(g.owner_ids, '{}')
    INTO enabled, household_id, roles, owner_ids
    FROM accounts a
    LEFT JOIN household_members m ON m.account_id = a.id
    CROSS JOIN LATERAL (
        SELECT array_agg(DISTINCT g.role) AS roles,
               array_agg(DISTINCT g.owner_id) FILTER (WHERE g.owner_id IS NOT NULL) AS owner_ids
        FROM grants g
        WHERE g.account_id = a.id
          AND g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > clock_timestamp())
    ) g
    WHERE a.id = begin_request.account_id AND a.disabled_at IS NULL;
    IF enabled IS NULL THEN
        PERFORM set_config('baytide.account_id', '', true);
        account_id := NULL;
        roles := '{}';
        owner_ids := '{}';
        RETURN NEXT;
        RETURN;
    END IF;
    IF visit_hash IS NOT NULL THEN
        -- The mandate is looked at again: the policy of households shows only those it covers at this moment.
        PERFORM set_config('baytide.roles', array_to_string(roles, ','), true);
        SELECT v.household_id INTO household_id
        FROM committee_visits v JOIN households h ON h.id = v.household_id
        WHERE v.secret_hash = visit_hash AND v.account_id = begin_request.account_id
          AND v.expires_at > clock_timestamp() AND acts_as('committee_worker');
        on_behalf := household_id IS NOT NULL;
    END IF;
    PERFORM set_config('baytide.roles', array_to_string(roles, ','), true),
        set_config('baytide.owner_ids', owner_ids::text, true),
        set_config('baytide.household_id', COALESCE(household_id::text, ''), true);
    RETURN NEXT;
END
$$;

-- ---------------------------------------------------------------------------------------------------- first slice

GRANT SELECT ON neighbourhoods, base_maps, calendar_days, facilities, homes, plans, street_files, streets, bay_groups,
    closures, demands, entrances, walks, assignments, bay_values, bays, decisions, share_windows, unserved,
    alembic_version TO baytide_service;

-- ------------------------------------------------------------------------------------------------------- accounts

GRANT SELECT, INSERT, UPDATE (password_hash, language) ON accounts TO baytide_service;
GRANT SELECT, INSERT, UPDATE (name, verified_at, verified_by) ON owners TO baytide_service;
GRANT SELECT, INSERT, UPDATE (revoked_at) ON grants TO baytide_service;
GRANT SELECT, INSERT, UPDATE (home_id) ON households TO baytide_service;
GRANT USAGE ON SEQUENCE households_id_seq TO baytide_service;
GRANT SELECT, INSERT, DELETE ON household_members TO baytide_service;
GRANT SELECT, INSERT, UPDATE (height_m, needs, withdrawn_at) ON vehicles TO baytide_service;
GRANT SELECT, INSERT, UPDATE (height_m, needs, outcome, decided_at, decided_by) ON plate_disputes TO baytide_service;
GRANT SELECT, INSERT ON plate_claims TO baytide_service;
GRANT SELECT, INSERT, DELETE, UPDATE (revoked_at) ON login_sessions, bearer_tokens TO baytide_service;
GRANT SELECT, INSERT, UPDATE (key_hash, former_key_hash, former_key_until, rotated_at, revoked_at) ON gate_devices
    TO baytide_service;
GRANT SELECT, INSERT ON committee_visits, acts TO baytide_service;
GRANT SELECT, INSERT, DELETE, UPDATE (at) ON log_in_attempts TO baytide_service;

-- What few policies ask is a function of its own, so that the queries of everybody else do not carry it along.
CREATE FUNCTION mandate_covers(home BIGINT) RETURNS BOOLEAN LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM homes o JOIN grants g ON g.neighbourhood_id = o.neighbourhood_id AND g.sub_district = o.estate
        WHERE o.id = home AND g.account_id = acting_account() AND g.role = 'committee_worker'
          AND g.revoked_at IS NULL AND g.expires_at > clock_timestamp()
    );
END
$$;
CREATE FUNCTION household_shows(household BIGINT) RETURNS BOOLEAN LANGUAGE plpgsql STABLE
AS $$ BEGIN RETURN EXISTS (SELECT FROM households h WHERE h.id = household); END $$;
CREATE FUNCTION plate_is_disputed(plate BYTEA) RETURNS BOOLEAN LANGUAGE plpgsql STABLE
AS $$ BEGIN RETURN EXISTS (SELECT FROM plate_disputes d WHERE d.plate_hash = plate AND d.outcome IS NULL); END $$;

-- Forced: it binds the tables' owner too, where that is not a superuser. Commands take on the service's role as well,
-- but for the import of a folder, which asks as owner whether anybody lives where it would replace.
ALTER TABLE accounts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE owners ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE grants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE households ENABLE ROW LEVEL SECURITY;
ALTER TABLE household_members ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE vehicles ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE plate_disputes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE plate_claims ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE login_sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE bearer_tokens ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE gate_devices ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE committee_visits ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE acts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- One's own account, or the one asked for by its exact identity (to log in, to be granted a role).
CREATE POLICY accounts_read ON accounts FOR SELECT TO baytide_service
    USING (id = acting_account() OR (issuer = asked('issuer') AND subject = asked('subject')));
CREATE POLICY accounts_add ON accounts FOR INSERT TO baytide_service WITH CHECK (true);
CREATE POLICY accounts_change ON accounts FOR UPDATE TO baytide_service USING (id = acting_account());

CREATE POLICY owners_read ON owners FOR SELECT TO baytide_service USING (true);
CREATE POLICY owners_add ON owners FOR INSERT TO baytide_service
    WITH CHECK (acts_as('planner') OR (created_by = acting_account() AND verified_at IS NULL));
CREATE POLICY owners_change ON owners FOR UPDATE TO baytide_service USING (acts_as('planner'));

-- Whoever enters an owner speaks for it, and it stays unverified until a planner has looked.
CREATE POLICY grants_read ON grants FOR SELECT TO baytide_service
    USING (account_id = acting_account() OR acts_as('planner'));
CREATE POLICY grants_add ON grants FOR INSERT TO baytide_service WITH CHECK (
    acts_as('planner') OR (
        role = 'owner' AND account_id = acting_account() AND granted_by = acting_account()
        AND EXISTS (SELECT FROM owners o WHERE o.id = owner_id AND o.created_by = acting_account() AND o.verified_at IS NULL)
    )
);
CREATE POLICY grants_change ON grants FOR UPDATE TO baytide_service USING (acts_as('planner'));

-- One's own household, or for a committee worker those of the sub-district of a mandate that holds.
CREATE POLICY households_read ON households FOR SELECT TO baytide_service USING (
    id = acting_household()
    OR acts_as('committee_worker') AND mandate_covers(home_id)
);
CREATE POLICY households_add ON households FOR INSERT TO baytide_service WITH CHECK (id = acting_household());
CREATE POLICY households_change ON households FOR UPDATE TO baytide_service USING (id = acting_household());

CREATE POLICY household_members_read ON household_members FOR SELECT TO baytide_service
    USING (
        account_id = acting_account() OR household_id = acting_household()
        OR acts_as('committee_worker') AND account_id::text = asked('account') AND household_shows(household_id)
    );
CREATE POLICY household_members_add ON household_members FOR INSERT TO baytide_service
    WITH CHECK (account_id = acting_account() AND household_id = acting_household());
CREATE POLICY household_members_remove ON household_members FOR DELETE TO baytide_service
    USING (account_id = acting_account());

-- One's own car; for a committee worker the one of an exact plate; for a planner those in dispute.
CREATE POLICY vehicles_read ON vehicles FOR SELECT TO baytide_service USING (
    household_id = acting_household()
    OR acts_as('committee_worker') AND plate_hash = shown('asked_plate')
        AND household_shows(household_id)
    OR acts_as('planner') AND plate_is_disputed(plate_hash)
);
CREATE POLICY vehicles_add ON vehicles FOR INSERT TO baytide_service
    WITH CHECK (household_id = acting_household() OR acts_as('planner'));
CREATE POLICY vehicles_change ON vehicles FOR UPDATE TO baytide_service
    USING (household_id = acting_household() OR acts_as('planner'));

CREATE POLICY plate_disputes_read ON plate_disputes FOR SELECT TO baytide_service
    USING (household_id = acting_household() OR acts_as('planner'));
CREATE POLICY plate_disputes_add ON plate_disputes FOR INSERT TO baytide_service
    WITH CHECK (acts_as('planner') OR household_id = acting_household() AND outcome IS NULL);
CREATE POLICY plate_disputes_change ON plate_disputes FOR UPDATE TO baytide_service
    USING (acts_as('planner') OR household_id = acting_household())
    WITH CHECK (acts_as('planner') OR (household_id = acting_household() AND COALESCE(outcome, 'withdrawn') = 'withdrawn'));

CREATE POLICY plate_claims_read ON plate_claims FOR SELECT TO baytide_service USING (household_id = acting_household());
CREATE POLICY plate_claims_add ON plate_claims FOR INSERT TO baytide_service
    WITH CHECK (household_id = acting_household());

-- One's own, or the one whose secret was shown.
CREATE POLICY login_sessions_read ON login_sessions FOR SELECT TO baytide_service
    USING (account_id = acting_account() OR secret_hash = shown('secret'));
CREATE POLICY login_sessions_add ON login_sessions FOR INSERT TO baytide_service
    WITH CHECK (account_id = acting_account());
CREATE POLICY login_sessions_change ON login_sessions FOR UPDATE TO baytide_service USING (account_id = acting_account());
CREATE POLICY login_sessions_remove ON login_sessions FOR DELETE TO baytide_service USING (account_id = acting_account());

CREATE POLICY bearer_tokens_read ON bearer_tokens FOR SELECT TO baytide_service
    USING (account_id = acting_account() OR secret_hash = shown('secret'));
CREATE POLICY bearer_tokens_add ON bearer_tokens FOR INSERT TO baytide_service
    WITH CHECK (account_id = acting_account());
CREATE POLICY bearer_tokens_change ON bearer_tokens FOR UPDATE TO baytide_service USING (account_id = acting_account());
CREATE POLICY bearer_tokens_remove ON bearer_tokens FOR DELETE TO baytide_service USING (account_id = acting_account());

CREATE POLICY gate_devices_read ON gate_devices FOR SELECT TO baytide_service USING (
    key_hash = shown('secret') OR former_key_hash = shown('secret') OR acts_as('planner')
    OR EXISTS (SELECT FROM facilities f WHERE f.id = facility_id AND f.owner_id = ANY (acting_owners()))
);
CREATE POLICY gate_devices_add ON gate_devices FOR INSERT TO baytide_service WITH CHECK (
    acts_as('planner') OR EXISTS (SELECT FROM facilities f WHERE f.id = facility_id AND f.owner_id = ANY (acting_owners()))
);
CREATE POLICY gate_devices_change ON gate_devices FOR UPDATE TO baytide_service USING (
    acts_as('planner') OR EXISTS (SELECT FROM facilities f WHERE f.id = facility_id AND f.owner_id = ANY (acting_owners()))
);

CREATE POLICY committee_visits_read ON committee_visits FOR SELECT TO baytide_service
    USING (account_id = acting_account());
CREATE POLICY committee_visits_add ON committee_visits FOR INSERT TO baytide_service
    WITH CHECK (account_id = acting_account() AND acts_as('committee_worker'));

CREATE POLICY acts_read ON acts FOR SELECT TO baytide_service USING (household_id = acting_household());
CREATE POLICY acts_add ON acts FOR INSERT TO baytide_service
    WITH CHECK (account_id = acting_account() AND household_id = acting_household());

-- --------------------------------------------------------------------------------- what others add for their tables

-- Stays, permits and bookings: what is taken is everybody's to see, whose it is only one's own.
GRANT SELECT, INSERT, UPDATE (state, expires_at, ended_at) ON stays TO baytide_service;
GRANT SELECT ON permits, ledger_nights TO baytide_service;
GRANT SELECT, INSERT, DELETE ON permit_absences TO baytide_service;
GRANT SELECT, INSERT ON bookings, booking_requests TO baytide_service;
GRANT SELECT ON shown_bookings TO baytide_service;
ALTER TABLE permits ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE permit_absences ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE bookings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE booking_requests ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY permits_read ON permits FOR SELECT TO baytide_service USING (household_id = acting_household());
CREATE POLICY permit_absences_own ON permit_absences TO baytide_service
    USING (EXISTS (SELECT FROM permits p WHERE p.id = permit_id AND p.household_id = acting_household()));
CREATE POLICY bookings_read ON bookings FOR SELECT TO baytide_service USING (household_id = acting_household());
CREATE POLICY bookings_add ON bookings FOR INSERT TO baytide_service
    WITH CHECK (household_id = acting_household() AND booked_by = acting_account());
CREATE POLICY booking_requests_read ON booking_requests FOR SELECT TO baytide_service
    USING (account_id = acting_account());
CREATE POLICY booking_requests_add ON booking_requests FOR INSERT TO baytide_service
    WITH CHECK (account_id = acting_account());

-- Walks: everybody finds by them; whoever publishes a facility has them worked out anew.
GRANT SELECT ON walk_pairs, walk_edges, walk_doors TO baytide_service;
GRANT INSERT, DELETE ON walk_pairs, walk_doors TO baytide_service;

-- Supply: what is published is everybody's to see, drafts and history only its owner's and the planners'. Not forced: the
-- commands that import neighbourhoods run as the tables' owner.
CREATE FUNCTION may_change_facility(facility BIGINT) RETURNS BOOLEAN LANGUAGE sql STABLE
AS $$
    SELECT acts_as('planner')
        OR EXISTS (SELECT FROM facilities f WHERE f.id = facility AND f.owner_id = ANY (acting_owners()))
$$;
-- Which ids are taken is no secret of another's draft: a new one could not be stored anyway.
CREATE FUNCTION taken_facility_codes(neighbourhood BIGINT, codes TEXT[]) RETURNS SETOF TEXT
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    SELECT code FROM facilities f WHERE f.neighbourhood_id = neighbourhood AND f.code = ANY (codes)
    UNION
    SELECT code FROM facility_drafts d WHERE d.neighbourhood_id = neighbourhood AND d.code = ANY (codes)
$$;
GRANT INSERT, UPDATE ON facilities TO baytide_service;
GRANT INSERT, UPDATE, DELETE ON share_windows, closures, entrances TO baytide_service;
GRANT INSERT, UPDATE (position, kinds), DELETE ON bay_groups TO baytide_service;
GRANT INSERT, UPDATE (geometry), DELETE ON bays TO baytide_service;
GRANT USAGE, UPDATE ON SEQUENCE facilities_id_seq, bay_groups_id_seq TO baytide_service;
GRANT SELECT, INSERT, DELETE ON facility_drafts TO baytide_service;
GRANT UPDATE (status, version, base_version, feature, changed_at, changed_by) ON facility_drafts TO baytide_service;
GRANT SELECT, INSERT ON facility_history, withdrawals TO baytide_service;
ALTER TABLE facilities ENABLE ROW LEVEL SECURITY;
ALTER TABLE bay_groups ENABLE ROW LEVEL SECURITY;
ALTER TABLE bays ENABLE ROW LEVEL SECURITY;
ALTER TABLE share_windows ENABLE ROW LEVEL SECURITY;
ALTER TABLE closures ENABLE ROW LEVEL SECURITY;
ALTER TABLE entrances ENABLE ROW LEVEL SECURITY;
ALTER TABLE facility_drafts ENABLE ROW LEVEL SECURITY;
ALTER TABLE facility_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE withdrawals ENABLE ROW LEVEL SECURITY;
CREATE POLICY facilities_read ON facilities FOR SELECT TO baytide_service USING (true);
CREATE POLICY facilities_add ON facilities FOR INSERT TO baytide_service
    WITH CHECK (acts_as('planner') OR owner_id = ANY (acting_owners()));
CREATE POLICY facilities_change ON facilities FOR UPDATE TO baytide_service
    USING (acts_as('planner') OR owner_id = ANY (acting_owners()));
CREATE POLICY bay_groups_read ON bay_groups FOR SELECT TO baytide_service USING (true);
CREATE POLICY bay_groups_add ON bay_groups FOR INSERT TO baytide_service WITH CHECK (may_change_facility(facility_id));
CREATE POLICY bay_groups_change ON bay_groups FOR UPDATE TO baytide_service USING (may_change_facility(facility_id));
CREATE POLICY bay_groups_remove ON bay_groups FOR DELETE TO baytide_service USING (may_change_facility(facility_id));
CREATE POLICY bays_read ON bays FOR SELECT TO baytide_service USING (true);
CREATE POLICY bays_add ON bays FOR INSERT TO baytide_service
    WITH CHECK (EXISTS (SELECT FROM bay_groups g WHERE g.id = bay_group_id AND may_change_facility(g.facility_id)));
CREATE POLICY bays_change ON bays FOR UPDATE TO baytide_service
    USING (EXISTS (SELECT FROM bay_groups g WHERE g.id = bay_group_id AND may_change_facility(g.facility_id)));
CREATE POLICY bays_remove ON bays FOR DELETE TO baytide_service
    USING (EXISTS (SELECT FROM bay_groups g WHERE g.id = bay_group_id AND may_change_facility(g.facility_id)));
CREATE POLICY share_windows_read ON share_windows FOR SELECT TO baytide_service USING (true);
CREATE POLICY share_windows_add ON share_windows FOR INSERT TO baytide_service
    WITH CHECK (EXISTS (SELECT FROM bay_groups g WHERE g.id = bay_group_id AND may_change_facility(g.facility_id)));
CREATE POLICY share_windows_change ON share_windows FOR UPDATE TO baytide_service
    USING (EXISTS (SELECT FROM bay_groups g WHERE g.id = bay_group_id AND may_change_facility(g.facility_id)));
CREATE POLICY share_windows_remove ON share_windows FOR DELETE TO baytide_service
    USING (EXISTS (SELECT FROM bay_groups g WHERE g.id = bay_group_id AND may_change_facility(g.facility_id)));
CREATE POLICY closures_read ON closures FOR SELECT TO baytide_service USING (true);
CREATE POLICY closures_add ON closures FOR INSERT TO baytide_service WITH CHECK (may_change_facility(facility_id));
CREATE POLICY closures_remove ON closures FOR DELETE TO baytide_service USING (may_change_facility(facility_id));
CREATE POLICY entrances_read ON entrances FOR SELECT TO baytide_service USING (true);
CREATE POLICY entrances_add ON entrances FOR INSERT TO baytide_service WITH CHECK (may_change_facility(facility_id));
CREATE POLICY entrances_remove ON entrances FOR DELETE TO baytide_service USING (may_change_facility(facility_id));
CREATE POLICY facility_drafts_own ON facility_drafts TO baytide_service
    USING (acts_as('planner') OR owner_id = ANY (acting_owners()));
CREATE POLICY facility_history_read ON facility_history FOR SELECT TO baytide_service
    USING (acts_as('planner') OR owner_id = ANY (acting_owners()));
CREATE POLICY facility_history_add ON facility_history FOR INSERT TO baytide_service WITH CHECK (
    changed_by = acting_account() AND (acts_as('planner') OR owner_id = ANY (acting_owners()))
);
CREATE POLICY withdrawals_read ON withdrawals FOR SELECT TO baytide_service USING (true);
CREATE POLICY withdrawals_add ON withdrawals FOR INSERT TO baytide_service
    WITH CHECK (confirmed_by = acting_account() AND may_change_facility(facility_id));

-- Openings: everybody finds by them; whoever may change a facility writes its own, and the worker all of them.
GRANT SELECT, INSERT, DELETE ON openings TO baytide_service;
ALTER TABLE openings ENABLE ROW LEVEL SECURITY;
CREATE POLICY openings_read ON openings FOR SELECT TO baytide_service USING (true);
CREATE POLICY openings_add ON openings FOR INSERT TO baytide_service
    WITH CHECK (acts_as('worker') OR may_change_facility(facility_id));
CREATE POLICY openings_remove ON openings FOR DELETE TO baytide_service
    USING (acts_as('worker') OR may_change_facility(facility_id));

-- The worker: it moves the horizon, places permits' nights, and forgets what has served its time. It is no account's role.
CREATE POLICY facilities_rolled ON facilities FOR UPDATE TO baytide_service USING (acts_as('worker'));
CREATE POLICY permits_placed ON permits FOR SELECT TO baytide_service USING (acts_as('worker'));
CREATE POLICY permit_absences_placed ON permit_absences FOR SELECT TO baytide_service USING (acts_as('worker'));
CREATE POLICY login_sessions_forgotten ON login_sessions TO baytide_service
    USING (acts_as('worker') AND COALESCE(revoked_at, expires_at) < now());
CREATE POLICY bearer_tokens_forgotten ON bearer_tokens TO baytide_service
    USING (acts_as('worker') AND COALESCE(revoked_at, expires_at) < now());
GRANT DELETE ON booking_requests TO baytide_service;
CREATE POLICY booking_requests_forgotten ON booking_requests TO baytide_service
    USING (acts_as('worker') AND created_at < now() - interval '1 day');
