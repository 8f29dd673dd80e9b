-- For pgbench: what a booking cannot do without, one insert that two exclusion constraints check.
\set bay random(1, :bays)
\set household random(1, 1000000000)
\set night random(0, 13)
INSERT INTO ceiling.stays (bay_id, household_id, during, kind, state)
VALUES (:bay, :household, tstzrange('2030-01-01 19:00Z'::timestamptz + :night * interval '1 day',
                                    '2030-01-02 07:00Z'::timestamptz + :night * interval '1 day'), 'booking', 'confirmed')
ON CONFLICT DO NOTHING;
