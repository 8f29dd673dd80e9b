"""Errors as answers of the service: RFC 9457 problems, one table from class to status, never what the caller sent."""

from __future__ import annotations

from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi_problem.error import Problem, ServerProblem
from fastapi_problem.handler import ExceptionHandler, http_exception_handler_
from rfc9457 import Problem as AnyProblem
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.accounts.identities import UnusableName
from api.accounts.queries import SecretNotFound
from api.accounts.refusals import (
    CsrfRefused,
    LogInRefused,
    NoHousehold,
    NotAllowed,
    NotSignedIn,
    OwnHousehold,
    TooManyAttempts,
)
from api.accounts.sealing import SealBroken
from api.bookings.errors import (
    BookingNotFound,
    HouseholdSuspended,
    ImpossiblePeriod,
    KeyMissing,
    KeyReused,
    NoSuchPlace,
    NotBookableYet,
    RequestInFlight,
    VehicleUnclear,
)
from api.calendars.errors import ImpossibleNotice, UnusableDays
from api.capacity.visits import UnusableRecords
from api.db.copying import UnstorableText
from api.errors import DatabaseUnavailable, TellsWhy
from api.facilities.errors import (
    DraftNotFound,
    FileNotAccepted,
    ImpossibleChange,
    OwnerUnclear,
    SupplyConflict,
    UnusableFacilities,
    VersionMissing,
    VersionStale,
)
from api.facilities.import_queries import ImportNotFound
from api.facilities.queries import FacilityNotFound
from api.failures import FailuresEndHere, log_failure
from api.gates.at_the_gate import GateNotesIt, StayNotFound, StayNotNow
from api.gates.events import EventNotFound, EventReviewed
from api.gates.queries import GateDeviceNotFound
from api.grants.queries import GrantNotFound, OwnerNotFound, SubDistrictNotFound
from api.grants.service import AccountNotFound, MandateTooLong, TooManyOwners
from api.households.queries import HomeNotFound, HouseholdNotFound
from api.money.errors import CodeNotFound, PaymentRefused, ReferenceReused
from api.neighbourhoods.loading import NeighbourhoodNotFound
from api.notices.contacts import CodeRefused, ContactNotFound, MailOff, UnusableAddress
from api.notices.queries import NoticeNotFound
from api.offers.errors import OfferDecided, OfferExpired, OfferImpossible, OfferNotFound
from api.overstays.appeals import AppealImpossible, StrikeNotFound
from api.overstays.policy import UnusablePolicy
from api.overstays.striking import StrikeImpossible
from api.permits.cars import CarDoesNotFit
from api.permits.ledger import LedgerFull, LedgerShort
from api.permits.service import AbsenceImpossible, AbsenceNotFound, PermitEnded, PermitNotFound
from api.plans.queries import PlanNotFound
from api.rounds.allocation_errors import (
    DecisionNotFound,
    ImpossibleDecision,
    PlanUnpublishable,
    ReportNotFound,
)
from api.rounds.errors import (
    ApplicationExists,
    ApplicationNotFound,
    ApplicationsClosed,
    ImpossibleRound,
    NotEligible,
    RoundConflict,
    RoundNotFound,
    UnknownYear,
)
from api.runs.queries import RunNotFound
from api.runs.service import RunEnded
from api.vehicles.plates import PlateUnknown
from api.vehicles.service import DisputeNotFound, OtherVehicle, VehicleNotFound
from api.waitlist.errors import EntryNotFound, EntryNotWaiting
from api.webhooks.addresses import UnusableUrl
from api.webhooks.queries import WebhookNotFound
from api.webhooks.service import TooManyWebhooks

PROBLEMS: dict[type[Exception], tuple[int, str, str]] = {
    NeighbourhoodNotFound: (404, "Neighbourhood not found", "There is no neighbourhood at this address."),
    FacilityNotFound: (404, "Facility not found", "There is no facility at this address."),
    DraftNotFound: (404, "Draft not found", "There is no draft at this address, or it is not yours to see."),
    OwnerUnclear: (422, "Owner unclear", "The account speaks for several owners: name one with `owner`."),
    VersionMissing: (428, "Version missing", "Send the ETag of what was read in the header If-Match."),
    VersionStale: (412, "Version stale", "Somebody changed it in the meantime: read it again, then change it."),
    UnusableFacilities: (422, "Facilities not usable", "Nothing was stored; `errors` has every fault."),
    ImpossibleChange: (422, "Change not possible", "The withdrawal makes no sense."),
    SupplyConflict: (409, "Not possible now", "What was asked for does not fit the state things are in."),
    FileNotAccepted: (415, "File not accepted", "Send CSV, GeoJSON or OpenStreetMap XML."),
    UnusableRecords: (422, "Records not usable", "They hold no entries and exits that can be read."),
    UnusableDays: (422, "Days not usable", "Nothing was changed; `errors` has every fault."),
    ImpossibleNotice: (422, "Notice not possible", "The notice makes no sense."),
    ReferenceReused: (409, "Reference reused", "The receipt stands for another payment already."),
    CodeNotFound: (404, "Code not found", "No payment of this code waits here."),
    PaymentRefused: (422, "Payment not possible", "The payment does not fit."),
    PlanNotFound: (404, "Plan not found", "There is no such plan, or it has no certificate."),
    ImportNotFound: (404, "Import not found", "The account has sent no such import."),
    RoundNotFound: (404, "Round not found", "There is no such round, or it is not open yet."),
    RoundConflict: (409, "Round not in that state", "What was asked for does not fit the state the round is in."),
    UnknownYear: (422, "Year not decided", "The term reaches into days whose holidays nobody has decided yet."),
    ImpossibleRound: (422, "Round not possible", "Dates, facilities or policy make no round."),
    ApplicationNotFound: (404, "Application not found", "There is no such application."),
    ApplicationsClosed: (409, "Applications closed", "The round does not take applications at this moment."),
    ApplicationExists: (409, "Application exists", "The household or its car has applied in this round already."),
    NotEligible: (422, "Not eligible", "The household cannot apply in this round."),
    RunNotFound: (404, "Run not found", "There is no such run."),
    RunEnded: (409, "Run ended", "The run has ended, so it cannot be called off any more."),
    DecisionNotFound: (404, "Decision not found", "There is no such decision in this round."),
    ReportNotFound: (404, "Report not found", "The round is not published."),
    PlanUnpublishable: (409, "Plan cannot be published", "The plan is unchecked, stale or not what was checked."),
    ImpossibleDecision: (422, "Decision not possible", "No plan could keep it."),
    NoticeNotFound: (404, "Notice not found", "The household has no such notice."),
    UnusableAddress: (422, "Address not usable", "That is no address of mail that can be written to."),
    ContactNotFound: (404, "Contact not found", "The household has not said where it wants to be written to."),
    CodeRefused: (422, "Code refused", "The code is another one, too old, or was tried too often; ask for a new one."),
    MailOff: (409, "No mail", "This service sends no mail; notices stand in the inbox."),
    UnusableUrl: (422, "Address not usable", "A webhook has an https address of a public host, without a password."),
    WebhookNotFound: (404, "Webhook not found", "There is no such webhook, or it is not yours."),
    TooManyWebhooks: (409, "Too many webhooks", "A household or an owner has at most ten; take one away first."),
    BookingNotFound: (404, "Booking not found", "The household has no such booking."),
    NoSuchPlace: (404, "No such place", "There is no such facility or bay in the household's neighbourhood."),
    ImpossiblePeriod: (422, "Impossible period", "`from` must not lie in the past, `to` after it, and both near."),
    NotBookableYet: (422, "Not bookable yet", "The period reaches beyond the nights that are open for booking."),
    VehicleUnclear: (422, "Vehicle unclear", "Name one vehicle of the household; it needs one to book."),
    KeyMissing: (400, "Key missing", "Send a name of your own for this request in the header Idempotency-Key."),
    KeyReused: (422, "Key reused", "This Idempotency-Key came with another request before; use a new one."),
    RequestInFlight: (409, "Request in flight", "The same request is being answered at this moment; ask again."),
    LogInRefused: (401, "Log-in refused", "Log-in name and password do not go together."),
    NotSignedIn: (401, "Not signed in", "Log in, or send a token that has neither expired nor been revoked."),
    CsrfRefused: (403, "Page out of date", "The request lacks the token of its page; load the page again."),
    NoHousehold: (403, "No household", "Say first where the household lives."),
    OwnHousehold: (403, "Own household", "Somebody else has to do this: it is about the account's own household."),
    NotAllowed: (403, "Not allowed", "The account may not do this."),
    TooManyAttempts: (429, "Too many attempts", "Wait a while, then try again; Retry-After says how many seconds."),
    HouseholdSuspended: (403, "Household suspended", "Its plate is on no list then: it was late too often."),
    StrikeNotFound: (404, "Strike not found", "There is no such strike, or it is not the household's."),
    AppealImpossible: (409, "Appeal not possible", "It is too late, was made before, or is decided already."),
    StrikeImpossible: (409, "Strike not possible", "The car is not one to be reviewed, is there still, or was struck."),
    UnusablePolicy: (422, "Ladder not usable", "The rungs of the ladder make no sense."),
    CarDoesNotFit: (409, "Car does not fit", "The household has a place that its car does not fit."),
    PermitNotFound: (404, "Permit not found", "The household has no such permit."),
    PermitEnded: (409, "Permit ended", "The permit has ended."),
    AbsenceNotFound: (404, "Absence not found", "No nights that begin on this one were given back."),
    OfferNotFound: (404, "Offer not found", "The household has no such offer."),
    OfferDecided: (409, "Offer decided", "The offer was answered before, or taken back."),
    OfferExpired: (409, "Offer expired", "The time to answer the offer is over."),
    OfferImpossible: (409, "Offer not possible", "A household has a permit or an offer for a part of the term."),
    LedgerFull: (409, "Nights full", "There are not as many free bays on some night of the term."),
    LedgerShort: (409, "Nights promised", "More bays are promised on some nights than there would be."),
    EntryNotFound: (404, "Entry not found", "The household has no such entry on the waitlist."),
    EntryNotWaiting: (409, "Not waiting", "The household waits no more."),
    AbsenceImpossible: (422, "Nights not understood", "Nights must lie ahead, within the term, and not be back yet."),
    UnusableName: (
        422,
        "Name cannot be used",
        "A name has 1 to 40 letters, digits, dots and dashes, and is no phone number.",
    ),
    SealBroken: (409, "Sealed with another key", "The secret key of the service was lost or changed."),
    SecretNotFound: (404, "Not found", "There is no such login session or token of yours."),
    AccountNotFound: (404, "Account not found", "There is no account of this log-in name."),
    GrantNotFound: (404, "Grant not found", "There is no such grant in force."),
    OwnerNotFound: (404, "Owner not found", "There is no such owner."),
    SubDistrictNotFound: (404, "Sub-district not found", "No home of the neighbourhood lies in such a sub-district."),
    MandateTooLong: (422, "Mandate not possible", "It must end in the future; a committee worker's within a year."),
    TooManyOwners: (409, "Too many owners", "Owners entered before wait for verification."),
    HomeNotFound: (404, "Home not found", "There is no such home, or it is not in a sub-district of yours."),
    HouseholdNotFound: (404, "Household not found", "There is no such household in a sub-district of yours."),
    GateDeviceNotFound: (404, "Gate device not found", "There is no such device at a facility of yours."),
    StayNotFound: (404, "Stay not found", "The household has no such stay."),
    StayNotNow: (409, "Not at this time", "The stay is neither under way nor about to begin, or it was given up."),
    GateNotesIt: (409, "Gate notes it", "A gate sees who comes to this place and who leaves."),
    EventNotFound: (404, "Event not found", "There is no such event at a facility of yours."),
    EventReviewed: (409, "Event not unclear", "Its plate was read exactly, or it is older than two weeks."),
    PlateUnknown: (422, "Plate not understood", "The plate is in no format that is known."),
    VehicleNotFound: (404, "Vehicle not found", "The household has no car."),
    OtherVehicle: (409, "Another vehicle", "The household has a car; withdraw that first: one household, one car."),
    DisputeNotFound: (404, "Dispute not found", "No such claim waits for a decision."),
    UnstorableText: (422, "Text cannot be stored", "A text holds a zero character."),
    **dict.fromkeys(
        (DatabaseUnavailable, OperationalError, PoolTimeout, psycopg.OperationalError),
        (503, "Database unavailable", "The database cannot be used at the moment; try again soon."),
    ),
}
"""Error class → status, title and detail."""
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}


class BadRange(Problem):
    """A span of time, or of bytes, that makes no sense."""

    def __init__(self, detail: str, *, status: int = 422) -> None:
        super().__init__(title="Range not understood", type_="bad-range", detail=detail, status=status)


class UnexpectedError(ServerProblem):
    """A mistake of ours; what went wrong stands in the log and not in the answer."""

    type_ = "unexpected-error"
    title = "Unexpected error"

    def __init__(self, _said: str | None = None) -> None:
        super().__init__(detail="Something went wrong here; it has been logged.")


class Problems(ExceptionHandler):
    """Every error as a problem; what is ours to mend, or to wait for, is logged without its words."""

    def __call__(self, request: Request, error: Exception) -> Response:
        """Answer an error."""
        answer = super().__call__(request, error)
        if answer.status_code >= 500:
            log_failure(error, status=answer.status_code)
        return answer


def install_problems(app: FastAPI) -> None:
    """Let every error of the app leave as a problem; to be called before other middleware is added."""
    handlers: dict[type[Exception], Any] = dict.fromkeys(PROBLEMS, _known_problem)
    handlers |= {
        DBAPIError: _lost_connection,
        HTTPException: http_exception_handler_,
        RequestValidationError: _validation_problem,
    }
    problems = Problems(handlers=handlers, unhandled_wrappers={"default": UnexpectedError})
    for kind in (*handlers, AnyProblem, Exception):
        app.add_exception_handler(kind, problems)
    app.add_middleware(FailuresEndHere, answer=problems)


def _lost_connection(handler: ExceptionHandler, request: Request, error: DBAPIError) -> Problem | None:
    """Tell an error of any class that ended its connection from one of ours."""
    if not error.connection_invalidated:
        return None
    return _known_problem(handler, request, DatabaseUnavailable("the connection was lost"))


def _known_problem(_handler: ExceptionHandler, _request: Request, error: Exception) -> Problem:
    status, title, detail = next(row for kind, row in PROBLEMS.items() if isinstance(error, kind))
    type_ = type_of(title)
    if isinstance(error, TellsWhy | ImpossiblePeriod | ImpossibleChange | SupplyConflict | FileNotAccepted):
        detail = f"{error}."
    if isinstance(error, FileNotAccepted):
        status = error.status
    if isinstance(error, NotBookableYet) and error.until is not None:
        detail = f"Nights are open for booking until {error.until.isoformat()}."
    more = {"errors": _faults_in(error)} if isinstance(error, UnusableFacilities | UnusableDays) else {}
    return Problem(title=title, type_=type_, detail=detail, status=status, headers=_headers_of(error, status), **more)


def type_of(title: str) -> str:
    """Name a problem for programs, after what it is called for people."""
    return title.lower().replace(" ", "-")


def _faults_in(error: UnusableFacilities | UnusableDays) -> list[dict[str, Any]]:
    """List what is wrong with a file in its sender's own words: that is what it was sent to learn."""
    return [{"line": fault.line, "field": fault.field, "what": fault.message} for fault in error.faults]


def _headers_of(error: Exception, status: int) -> dict[str, str]:
    """Say how to come in, or when to come back."""
    if isinstance(error, TooManyAttempts):
        return {"Retry-After": str(error.retry_after_s)}
    return _HEADERS.get(status, {})


def _validation_problem(_handler: ExceptionHandler, _request: Request, error: RequestValidationError) -> Problem:
    """Name what is wrong with a request and where, without repeating its content."""
    errors = [{"where": [str(step) for step in fault["loc"]], "what": fault["msg"]} for fault in error.errors()]
    return Problem(
        title="Request not understood",
        type_="request-not-understood",
        detail="A part of the request is missing or of the wrong kind.",
        status=422,
        errors=errors,
    )


class LargeBodiesRefused:
    """Middleware: a body beyond its limit is refused below our error handlers, in plain text; make that a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        refused = False

        async def reworded(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] == _TOO_LARGE:
                refused = not Headers(raw=message["headers"]).get("content-type", "").startswith(_PROBLEM)
                if refused:
                    await _TOO_LARGE_ANSWER(scope, receive, send)
            if not refused:
                await send(message)

        await self._app(scope, receive, reworded)


_TOO_LARGE = 413
_PROBLEM = "application/problem+json"
_TOO_LARGE_ANSWER = JSONResponse(
    {
        "type": "body-too-large",
        "title": "Body too large",
        "status": _TOO_LARGE,
        "detail": "The request is longer than this address takes; send less at once.",
    },
    status_code=_TOO_LARGE,
    media_type=_PROBLEM,
)
