"""A round town whose households live at known walks from its garages, and an owner's words to withdraw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, text

from api.accounts.opening import open_as
from api.accounts.principal import Principal
from api.facilities.consequences import Outcome
from api.facilities.withdrawing import Withdrawal, withdraw
from api.neighbourhoods.model import Facility
from api.offers.service import accept_offer, make_offers
from tests.api.round_town import FIRST, NOW, RoundTown, make_round_town

PLANNER = Principal(1, None, frozenset({"planner"}), frozenset(), "anonymous")
ALL = Withdrawal("facility", "planned", "sold")
EVERY_NIGHT = (
    "SELECT count(*) FROM ledger_nights l WHERE l.taken > l.bays OR l.taken <> ("
    "SELECT count(*) FROM permits p WHERE p.bay_group_id = l.bay_group_id AND p.nights @> l.night) + ("
    "SELECT count(*) FROM permit_detours d WHERE d.bay_group_id = l.bay_group_id AND d.nights @> l.night)"
)


@dataclass(slots=True)
class WithdrawnTown:
    """The town with what its households hold."""

    town: RoundTown

    @property
    def connection(self) -> Connection:
        return self.town.connection

    def holder(self, code: str = "a", *, tier: int = 3, waited: int = 0, accepted: bool = True, **own: object) -> int:
        """Give a household of its own a permit, or only the offer of one; return the permit."""
        who = self.town.apply(days=str(own.get("days", "daily")), stay_through=bool(own.get("stay_through")))
        self.connection.execute(
            text("UPDATE applications SET tier = :tier, claimed_tier = :tier, rounds_waited = :waited WHERE id = :id"),
            {"tier": tier, "waited": waited, "id": who["application"]},
        )
        (offer,) = make_offers(self.connection, [self.town.wanted(who, code, **own)], source="plan", now=NOW)
        if accepted:
            accept_offer(self.connection, offer, household_id=who["household"], account_id=None, now=NOW)
        return self.number("SELECT permit_id FROM offers WHERE id = :id", id=offer)

    def withdraw(
        self, wanted: Withdrawal = ALL, code: str = "a", *, token: str | None = None, now: datetime = NOW
    ) -> Outcome:
        """Preview a withdrawal, or confirm it by a token, as a planner."""
        open_as(self.connection, PLANNER)
        found = withdraw(self.connection, self.town.facilities[code], wanted, principal=PLANNER, token=token, now=now)
        self.connection.execute(text("SELECT set_config('role', 'none', true)"))
        return found

    def confirm(self, wanted: Withdrawal = ALL, code: str = "a", *, now: datetime = NOW) -> Outcome:
        """Preview a withdrawal and confirm what was shown."""
        shown = self.withdraw(wanted, code, now=now)
        made = self.withdraw(wanted, code, token=shown.consequences.token, now=now)
        assert made.done
        self.require_whole()
        return made

    def require_whole(self) -> None:
        """Let no bay group hold more permits than bays on any night, nor the ledger say anything but what is held."""
        assert self.number(EVERY_NIGHT) == 0
        assert self.number("SELECT count(*) FROM ledger_nights WHERE taken < 0") == 0

    def number(self, question: str, **values: object) -> int:
        return int(self.connection.execute(text(question), values).scalar_one())

    def row(self, question: str, **values: object) -> Mapping[str, Any]:
        return dict(self.connection.execute(text(question), values).one()._mapping)

    def outcomes(self) -> dict[int, str]:
        """Return what became of the permits that were hit."""
        rows = self.connection.execute(text("SELECT permit_id, outcome FROM withdrawal_permits"))
        return {row.permit_id: row.outcome for row in rows}

    def place(self, permit: int, *, night: date = FIRST) -> str | None:
        """Return the garage where the household of a permit stands in a night."""
        found = self.connection.execute(
            text(
                """
                SELECT f.code FROM (
                    SELECT p.bay_group_id FROM permits p JOIN permits own ON own.household_id = p.household_id
                    WHERE own.id = :permit AND p.state = 'active' AND p.nights @> CAST(:night AS date)
                    UNION ALL
                    SELECT d.bay_group_id FROM permit_detours d
                    WHERE d.permit_id = :permit AND d.nights @> CAST(:night AS date)
                ) AS held JOIN bay_groups g ON g.id = held.bay_group_id JOIN facilities f ON f.id = g.facility_id
                """
            ),
            {"permit": permit, "night": night},
        )
        return found.scalar_one_or_none()

    def facts(self, permit: int, kind: str) -> dict[str, Any]:
        """Return what the household of a permit was told of a kind."""
        query = text(
            "SELECT n.facts FROM notices n JOIN permits p ON p.household_id = n.household_id "
            "WHERE p.id = :permit AND n.kind = :kind"
        )
        return dict(self.connection.execute(query, {"permit": permit, "kind": kind}).scalar_one())


def make_withdrawn_town(connection: Connection, *facilities: Facility, **walks: int) -> WithdrawnTown:
    """Make a town whose garages are so many metres from the one home."""
    town = make_round_town(connection, *facilities)
    for code, walk_m in walks.items():
        connection.execute(
            text("INSERT INTO walk_pairs (home_id, facility_id, walk_m) VALUES (:home, :facility, :walk)"),
            {"home": town.home, "facility": town.facilities[code], "walk": walk_m},
        )
    return WithdrawnTown(town)
