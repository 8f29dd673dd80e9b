-- How far homes are from facilities on foot, known before anybody asks.

CREATE TABLE walk_pairs (
    facility_id BIGINT NOT NULL,
    home_id BIGINT NOT NULL,
    walk_m INTEGER NOT NULL,
    -- Facility first: the key then also serves the removal of a facility, and homes have an index of their own.
    CONSTRAINT walk_pairs_pkey PRIMARY KEY (facility_id, home_id),
    CONSTRAINT walk_pairs_walk_m_check CHECK (walk_m >= 0),
    CONSTRAINT walk_pairs_facility_id_fkey FOREIGN KEY(facility_id) REFERENCES facilities (id) ON DELETE CASCADE,
    CONSTRAINT walk_pairs_home_id_fkey FOREIGN KEY(home_id) REFERENCES homes (id) ON DELETE CASCADE
);
-- The facilities of a home in walking order, from the index alone.
CREATE INDEX walk_pairs_home_id_walk_m_facility_id_idx ON walk_pairs (home_id, walk_m, facility_id);

-- The walking network, piece by piece: what lies around an address is fetched when somebody asks from there.
CREATE TABLE walk_edges (
    neighbourhood_id BIGINT NOT NULL,
    position INTEGER NOT NULL,
    from_node INTEGER NOT NULL,
    to_node INTEGER NOT NULL,
    on_island BOOLEAN NOT NULL,
    geometry geometry(LINESTRING,4326) NOT NULL,
    CONSTRAINT walk_edges_pkey PRIMARY KEY (neighbourhood_id, position),
    CONSTRAINT walk_edges_neighbourhood_id_fkey FOREIGN KEY(neighbourhood_id) REFERENCES neighbourhoods (id) ON DELETE CASCADE
);
CREATE INDEX walk_edges_geometry_idx ON walk_edges USING gist (geometry);

-- Where people on foot enter a facility: its entrances, or where streets meet it; its whole shape where no streets are
-- known.
CREATE TABLE walk_doors (
    facility_id BIGINT NOT NULL,
    position INTEGER NOT NULL,
    geometry geometry(GEOMETRY,4326) NOT NULL,
    CONSTRAINT walk_doors_pkey PRIMARY KEY (facility_id, position),
    CONSTRAINT walk_doors_facility_id_fkey FOREIGN KEY(facility_id) REFERENCES facilities (id) ON DELETE CASCADE
);
CREATE INDEX walk_doors_geometry_idx ON walk_doors USING gist (geometry);
