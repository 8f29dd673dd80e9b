-- What households are told, of anything, and the ways it takes out of the house.

-- `once` names what it is about where a job might look twice: nobody is told the same of it again. `routed_at` is when the
-- ways out of the house were chosen, `told_at` when the first of them had carried it (at once where there is none).
ALTER TABLE notices
    ALTER COLUMN stay_id DROP NOT NULL,
    ADD COLUMN once TEXT,
    ADD COLUMN routed_at TIMESTAMP WITH TIME ZONE,
    DROP CONSTRAINT notices_kind_check,
    DROP CONSTRAINT notices_facts_check,
    ADD CONSTRAINT notices_kind_check CHECK (
        kind IN ('leave_soon', 'stay_withdrawn', 'application_received', 'application_changed', 'application_withdrawn',
        'application_refused', 'round_closed', 'offer_made', 'offer_reminder', 'offer_accepted', 'offer_declined',
        'offer_lapsed', 'offer_withdrawn', 'waitlisted', 'date_changed', 'waitlist_left', 'permit_changed',
        'permit_moved', 'permit_suspended', 'permit_ended', 'term_ending', 'nights_given_back', 'overstay', 'strike',
        'appeal_decided', 'plate_off_list', 'calendar_changed', 'fee_due', 'payment_received', 'refund_made', 'bay_taken')
    ),
    ADD CONSTRAINT notices_facts_check CHECK (
        kind NOT IN ('leave_soon', 'stay_withdrawn') OR stay_id IS NOT NULL AND facts ?& '{facility,from,to}'
    ),
    ADD CONSTRAINT notices_withdrawal_check CHECK (kind <> 'stay_withdrawn' OR facts ? 'withdrawal'),
    ADD CONSTRAINT notices_household_id_kind_once_key UNIQUE (household_id, kind, once);
CREATE INDEX notices_unrouted_idx ON notices (id) WHERE routed_at IS NULL;
CREATE INDEX notices_untold_idx ON notices (id) WHERE told_at IS NULL;
GRANT UPDATE (routed_at, told_at) ON notices TO baytide_service;
CREATE POLICY notices_carried ON notices FOR UPDATE TO baytide_service USING (acts_as('worker'));
UPDATE notices SET routed_at = created_at, told_at = created_at;

-- DOWN
DROP POLICY notices_carried ON notices;
REVOKE UPDATE (routed_at, told_at) ON notices FROM baytide_service;
DELETE FROM notices WHERE kind NOT IN ('leave_soon', 'stay_withdrawn');
ALTER TABLE notices
    DROP CONSTRAINT notices_kind_check, DROP CONSTRAINT notices_facts_check, DROP CONSTRAINT notices_withdrawal_check,
    DROP COLUMN once, DROP COLUMN routed_at,
    ALTER COLUMN stay_id SET NOT NULL,
    ADD CONSTRAINT notices_kind_check CHECK (kind IN ('leave_soon', 'stay_withdrawn')),
    ADD CONSTRAINT notices_facts_check CHECK ((kind = 'stay_withdrawn') = (facts ? 'withdrawal'));
DROP INDEX notices_untold_idx;
