"""Of what households are told, and which facts each kind may carry."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal[
    "leave_soon",
    "stay_withdrawn",
    "application_received",
    "application_changed",
    "application_withdrawn",
    "application_refused",
    "round_closed",
    "round_late",
    "offer_made",
    "offer_reminder",
    "offer_accepted",
    "offer_declined",
    "offer_lapsed",
    "offer_withdrawn",
    "waitlisted",
    "date_changed",
    "waitlist_left",
    "permit_changed",
    "permit_moved",
    "permit_suspended",
    "permit_ended",
    "term_ending",
    "nights_given_back",
    "overstay",
    "strike",
    "appeal_decided",
    "plate_off_list",
    "calendar_changed",
    "fee_due",
    "payment_received",
    "refund_made",
    "bay_taken",
]
KINDS: tuple[str, ...] = get_args(Kind)
OF_STAYS = ("leave_soon", "stay_withdrawn")
"""Kinds that are nothing without their stay."""
