"""Notices in English."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from api.notices.words import Language, Words

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MOST_DATES = 12


def _short(day: date) -> str:
    return f"{_WEEKDAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]}"


def _date(day: date) -> str:
    return f"{_short(day)} {day.year}"


def _moment(at: datetime) -> str:
    return f"{_date(at)}, {at:%H:%M}"


def _span(start: datetime, end: datetime) -> str:
    """`Tue 24 Nov 2026, 18:00 – Wed 25 Nov 08:00`: both days by name, so that midnight leaves no doubt."""
    return f"{_moment(start)} – {_short(end)} {end:%H:%M}"


def _dates(days: Sequence[date]) -> str:
    told = ", ".join(_date(day) for day in days[:_MOST_DATES])
    return told + (f" and {len(days) - _MOST_DATES} more" if len(days) > _MOST_DATES else "")


_TERM = ("From {first} to {last}.",)
_DATES = (
    ("Of households in your place, half are reached by {half_by}, nine in ten by {most_by}.",),
    ("Not before {not_before}. A closer date would not be sound yet: {why}.", "Not before {not_before}."),
)
_INSTEAD = (
    "Instead you have a bay at {new_facility}, {walk} on foot.",
    "Instead you have a bay at {new_facility}.",
)
_AGAIN = ("You can apply again for the time after {next}.",)

_KINDS = {
    "leave_soon": Words(
        ("Time to leave {facility}", "Time to leave your bay soon"),
        (("Your stay at {facility} ends soon: {span}.", "Your stay ends soon."),),
        ("Please drive out by {next}.",),
    ),
    "stay_withdrawn": Words(
        ("Your bay at {facility} was taken back", "Your bay was taken back"),
        (
            ("The owner of {facility} took back the bay of your stay: {span}.", "The owner took your bay back."),
            ("A car that stands there has until {leave_by} to leave.",),
            _INSTEAD,
            ("You need not pay {refund}; if it was charged already, it is credited to you.",),
        ),
        ("This is about the stay of {next}.",),
    ),
    "application_received": Words(
        ("Application received: {round}", "Your application was received"),
        (("Your application for {round} was received.", "Your application was received."),),
        ("You are told the result by {next}.",),
    ),
    "application_changed": Words(
        ("Application changed: {round}", "Your application was changed"),
        (("Your application for {round} was changed.", "Your application was changed."),),
        ("You are told the result by {next}.",),
    ),
    "application_withdrawn": Words(
        ("Application withdrawn: {round}", "Your application was withdrawn"),
        (("Your application for {round} was withdrawn.", "Your application was withdrawn."),),
        ("Until {next} you can take it up again.",),
    ),
    "application_refused": Words(
        ("No bay from {round}", "Your application found no bay"),
        (("Your application for {round} found no bay.", "Your application found no bay."),),
        ("You can apply in the next round. The date to note: {next}.",),
    ),
    "round_closed": Words(
        ("{round} is closed", "The round is closed"),
        (("Applications for {round} are closed; bays are now given out.", "Applications are closed."),),
        ("You are told the result by {next}.",),
    ),
    "round_late": Words(
        ("{round} is late", "The round is late"),
        (
            ("The result of {round} was due on {expected} and is not there yet.", "The result is not there yet."),
            ("Your application stands as it is.",),
        ),
        ("You hear of it again by {next}.",),
    ),
    "offer_made": Words(
        ("A bay for you at {facility}", "A bay is offered to you"),
        (
            (
                "You are offered a bay at {facility}, {walk} on foot.",
                "You are offered a bay at {facility}.",
                "You are offered a bay.",
            ),
            _TERM,
            ("A deposit of {deposit} is charged when the permit begins and comes back after its end.",),
        ),
        ("Please accept or decline by {next}; after that it goes to the next household.",),
    ),
    "offer_reminder": Words(
        ("Your offer at {facility} ends soon", "Your offer ends soon"),
        (("You have not answered the offer of a bay at {facility} yet.", "You have not answered an offer yet."),),
        ("Please accept or decline by {next}; after that it goes to the next household.",),
    ),
    "offer_accepted": Words(
        ("Accepted: your bay at {facility}", "Your bay is accepted"),
        (("You accepted the bay at {facility}.", "You accepted the bay."), _TERM),
        ("Your first night: {next}.",),
    ),
    "offer_declined": Words(
        ("Declined: the bay at {facility}", "The offer is declined"),
        (("You declined the bay at {facility}; it goes to the next household.", "You declined the offer."),),
        _AGAIN,
    ),
    "offer_lapsed": Words(
        ("The offer at {facility} has ended", "Your offer has ended"),
        (
            (
                "The offer of a bay at {facility} was not answered in time; it goes to the next household.",
                "An offer was not answered in time; it goes to the next household.",
            ),
        ),
        _AGAIN,
    ),
    "offer_withdrawn": Words(
        ("The offer at {facility} was withdrawn", "Your offer was withdrawn"),
        (
            ("The bay at {facility} is not offered to you any more.", "An offer to you was withdrawn."),
            _INSTEAD,
        ),
        ("This is about the nights from {next} on.",),
    ),
    "waitlisted": Words(
        ("You are on the waitlist of {round}", "You are on the waitlist"),
        (
            (
                "{round} has no bay for you yet: you are on the waitlist.",
                "There is no bay for you yet: you are on the waitlist.",
            ),
            ("Your position: {position}.",),
            *_DATES,
        ),
        ("The waitlist runs until {next}.",),
    ),
    "date_changed": Words(
        ("Your expected date has changed",),
        (
            (
                "Your expected date on the waitlist of {round} has changed.",
                "Your expected date on the waitlist has changed.",
            ),
            ("Your position: {position}.",),
            *_DATES,
        ),
        ("The date to note: {next}.",),
    ),
    "waitlist_left": Words(
        ("You left the waitlist of {round}", "You left the waitlist"),
        (("You are no longer on the waitlist of {round}.", "You are no longer on the waitlist."),),
        _AGAIN,
    ),
    "permit_changed": Words(
        ("Your permit at {facility} changes", "Your permit changes"),
        (
            ("Your permit at {facility} changes.", "Your permit changes."),
            ("What changes: {what}.",),
            ("New nights: {nights_added}.",),
            ("Nights that fall away: {nights_removed}.",),
            ("Other times to leave: {leave_by}.",),
            ("Nights on another bay of the same place: {other_bay_on}.",),
            ("Nights placed one by one: {single_nights}.",),
            ("Nights without a bay: {without_bay}.",),
        ),
        ("It holds from {next} on.",),
    ),
    "permit_moved": Words(
        ("Your permit moves to {new_facility}", "Your permit moves"),
        (
            (
                "The nights of your permit at {facility} move to {new_facility}, {walk} on foot.",
                "The nights of your permit at {facility} move to {new_facility}.",
                "The nights of your permit at {facility} move elsewhere.",
                "The nights of your permit move elsewhere.",
            ),
            ("From {first} to {last}.",),
            ("Times to leave by: {leave_by}.",),
            ("Nights placed one by one: {single_nights}.",),
            ("Nights without a bay: {without_bay}.",),
        ),
        ("Your first evening there: {next}.",),
    ),
    "permit_suspended": Words(
        ("Your permit at {facility} is suspended", "Your permit is suspended"),
        (
            ("Your permit at {facility} is suspended for a while.", "Your permit is suspended for a while."),
            ("From {first} to {last}.", "{span}."),
        ),
        ("The date to note: {next}.",),
    ),
    "permit_ended": Words(
        ("Your permit at {facility} ends", "Your permit ends"),
        (
            ("Your permit at {facility} ends.", "Your permit ends."),
            ("Times to leave by: {leave_by}.",),
            ("Nights placed one by one: {single_nights}.",),
        ),
        ("The date to note: {next}.",),
    ),
    "term_ending": Words(
        ("Your permit at {facility} runs out", "Your permit runs out"),
        (
            ("The term of your permit at {facility} is nearly over.", "The term of your permit is nearly over."),
            ("Whoever wants to stay applies again; your bay counts in your favour.",),
        ),
        ("The date to note: {next}.",),
    ),
    "nights_given_back": Words(
        ("Nights given back",),
        (
            (
                "You gave back nights at {facility}; your permit stays as it is.",
                "You gave back nights; your permit stays as it is.",
            ),
            ("From {first} to {last}.", "{dates}."),
        ),
        ("Your bay waits for you again on {next}.",),
    ),
    "overstay": Words(
        ("Your car should have left {facility}", "Your car should have left its bay"),
        (
            ("Your stay at {facility} is over: {span}.", "Your stay at {facility} is over.", "Your stay is over."),
            ("The car had to leave by {leave_by}.",),
            ("Others need the bay in the morning: please drive out at once.",),
        ),
        ("The date to note: {next}.",),
    ),
    "strike": Words(
        ("A strike for leaving late",),
        (
            (
                "A strike was noted because your car left {facility} too late.",
                "A strike was noted because your car left too late.",
            ),
            ("It had to leave by {leave_by} and was {late} late.", "It was {late} late."),
            ("Strikes that count now: {place}.",),
            ("What follows: {act}.",),
            ("{amount} is to be paid.",),
            ("You can appeal until {appeal_until}.", "You can appeal."),
        ),
        ("It takes effect on {next}.",),
    ),
    "appeal_decided": Words(
        ("A strike was taken back: {taken_back}", "Your appeal was decided"),
        (
            (
                "A strike was taken back: {taken_back}.",
                "Your appeal was decided: {decision}.",
                "Your appeal was decided.",
            ),
        ),
        ("The date to note: {next}.",),
    ),
    "plate_off_list": Words(
        ("Gates are closed to your car for now",),
        (
            ("The gate of {facility} does not open for your car for now.", "Gates do not open for your car for now."),
            ("From {first} to {last}.", "{span}."),
        ),
        ("The date to note: {next}.",),
    ),
    "calendar_changed": Words(
        ("The calendar changed: your stay at {facility}", "The calendar changed"),
        (
            (
                "Working days and holidays changed, and with them your stay at {facility}: {span}.",
                "Working days and holidays changed, and with them your stay.",
            ),
            ("What becomes of it: {what}.",),
        ),
        ("The date to note: {next}.",),
    ),
    "fee_due": Words(
        (
            "{amount} to pay: your car left {facility} late on {late_exit}",
            "{amount} to pay: your car left late on {late_exit}",
            "{amount} to pay for {facility}",
            "{amount} to pay",
            "A fee to pay",
        ),
        (
            (
                "{amount} is to be paid because your car left {facility} late on {late_exit}.",
                "{amount} is to be paid because your car left late on {late_exit}.",
                "{amount} is to be paid for your bay at {facility}.",
                "{amount} is to be paid.",
                "A fee is to be paid.",
            ),
            ("What for: {what}.",),
            _TERM,
        ),
        ("Please pay by {next}.",),
    ),
    "payment_received": Words(
        ("{amount} received", "Payment received"),
        (("Your payment of {amount} was received. Thank you.", "Your payment was received. Thank you."),),
        ("The next monthly fees are charged on {next}.", "What you are owed can be paid out from {owed_from} on."),
    ),
    "refund_made": Words(
        ("{amount} paid back, receipt {receipt}", "{amount} credited to you", "Money credited to you"),
        (
            (
                "{amount} was paid back to you, receipt {receipt}.",
                "{amount} was credited to you.",
                "Money was credited to you.",
            ),
            ("You have {off_due} less to pay.",),
            ("{owed} is owed to you.",),
        ),
        ("The next monthly fees are charged on {next}.", "What you are owed can be paid out from {owed_from} on."),
    ),
    "bay_taken": Words(
        ("Your bay at {facility} was taken", "Your bay was taken"),
        (
            (
                "Somebody stood on your bay at {facility}: {span}.",
                "Somebody stood on your bay at {facility}.",
                "Somebody stood on your bay.",
            ),
            ("What is done: {outcome}.",),
            _INSTEAD,
            ("You need not pay {due}; if it was charged already, it is credited to you.",),
        ),
        ("The date to note: {next}.",),
    ),
}

ENGLISH = Language(
    code="en",
    kinds=_KINDS,
    reasons={
        "declined": "the offer was declined",
        "lapsed": "the offer was not answered in time",
        "given_up": "you gave it up",
        "term_over": "the term is over",
        "withdrawn": "the owner took the bay back",
        "bay_taken": "somebody else stood on your bay",
        "moved": "another place was found",
        "strikes": "too many strikes",
        "ineligible": "the conditions are not met",
        "no_home_access": "no way on foot from the home",
        "too_far": "everything is too far to walk",
        "no_day": "no day of the term was asked for",
        "no_window": "nothing near is open for the whole stay",
        "no_suitable_bay": "no bay fits the car or the need",
        "full": "every bay in reach went to a stay worth more",
        "no_value": "a bay would be worth nothing to the plan",
        "rejected": "turned down in review",
        "moved_too_far": "you moved, and the bay you were to get is too far from your new home",
        "other_car": "your car of now does not fit the bay you were to get",
        "has_permit": "you have a permit, or an offer of one, to the end of the term",
        "cancelled": "cancelled",
        "ends_earlier": "it ends earlier",
        "upheld": "the strike stands",
        "lifted": "the strike is taken back",
        "weighs_less": "the strike weighs less than it did",
        "not_borne_out": "the gate's record, as it stands now, does not bear it out",
        "left_in_time": "the gate has told meanwhile that the car left in time",
        "warning": "a warning",
        "fee": "a fee",
        "suspension": "the permit is suspended for a while",
        "end": "the permit ends",
        "vehicle": "the car",
        "called_off": "the owner takes the withdrawal back",
        "money_back": "this night costs you nothing",
        "not_published": "the plan is not published yet",
        "round_over": "the round is over",
        "record_too_short": "the record of releases is still too short",
        "too_few_releases": "too few bays have come free yet",
        "too_far_back": "too many wait before you",
        "term_ends_first": "the term ends first",
        "range_too_wide": "the range would be too wide to plan by",
        "any_day": "it may be any day",
        "paid": "paid",
        "paid_out": "paid out",
        "ended": "the permit has ended",
        "deposit": "the deposit",
        "deposit_return": "the deposit",
        "booking": "a booking",
    },
    reason="Reason: {reason}.",
    next="The date to note: {next}.",
    code_subject="{code} confirms your address",
    code_text=(
        "Somebody, most likely you, wants notices of a household to be sent here.\n\n"
        "To confirm, enter this code: {code}\n\nIt holds until {until}. If this was not you, do nothing."
    ),
    footer=(
        "You get this because your household asked for notices at this address. "
        "In the contact settings of your household you can stop them."
    ),
    read_more="Everything stands in your inbox: {url}",
    day=_date,
    moment=_moment,
    span=_span,
    metres=lambda number: f"{number} m",
    minutes=lambda number: f"{number} min",
    dates=_dates,
    separator=" ",
)
