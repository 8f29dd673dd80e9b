"""How often offers are refused, permits given up and places on the list: what the record leaves possible, as draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, expit, gammaln, logit, logsumexp

from api.waitlist.lists import Bools, Floats, Ints, Record

HALF_LIFE_D = 120.0
"""What is so many days old counts half, for how facilities differ and what is usual."""
RECENT_HALF_LIFE_D = 25.0
"""The same for how far the present is from what is usual: seasons, and what changes from term to term."""
_SHAPES = np.array([0.7, 2.0, 6.0, 20.0, 60.0])
"""How alike facilities may be: shape of the gamma law of their rates, 1 / (coefficient of variation)²."""
_STRENGTHS = np.array([5.0, 15.0, 45.0, 135.0, 400.0])
"""The same for refusals: a facility's share is as uncertain as after so many offers."""
_STEPS = 21
_SPREAD = 3.5
"""The mean is looked for this many standard errors either side of the pooled one."""
_LISTED_STRENGTH = 8.0
"""Before there is a record of the list's own offers, it counts as so many offers refused as often as the plan's."""
_DRIFT = 0.25
"""How far the present is from what is usual, as a coefficient of variation, before it has been looked at."""
_RAREST_GIVING_UP = 0.001
"""A guess at the hazard a day of giving a permit up, worth half of one given up, until the record shows more."""
_RAREST_LEAVING = 0.0005
"""A guess at the hazard a day of leaving the list, worth one leaving, until the record shows more."""


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """
    S draws of what the record leaves possible, for F facilities.

    `plan_refused`, `list_refused` (S, F) are shares of offers, `given_up` (S, F) permits a permit-day, `left` (S,)
    leavings a day of waiting; `refused_after`, `accepted_after` are shares of an offer's time, ascending.
    """

    plan_refused: Floats
    list_refused: Floats
    given_up: Floats
    left: Floats
    refused_after: Floats
    accepted_after: Floats


def draw_rates(record: Record, *, facilities: int, draws: int, rng: np.random.Generator) -> Rates:
    """
    Draw rates from their posterior: facilities differ, and lend each other what the record says of them together.

    Refusals of a facility are beta-binomial, permits given up gamma-Poisson; the common mean and how much facilities
    differ are integrated out on a grid. See Gelman et al., Bayesian Data Analysis (3rd ed.), chapter 5.
    """
    weight = 0.5 ** (-record.offer_made_d / HALF_LIFE_D)
    refused = weight * record.offer_refused
    listed = record.offer_listed
    share = draw_shares(
        _by_facility(record.offer_facility, refused, facilities),
        _by_facility(record.offer_facility, weight, facilities),
        draws=draws,
        rng=rng,
    )
    both = max(_mean(record.offer_refused, weight), 1e-3)
    plan_level = _mean(record.offer_refused[~listed], weight[~listed])
    list_level = rng.beta(
        _LISTED_STRENGTH * plan_level + refused[listed].sum() + 0.01,
        _LISTED_STRENGTH * (1.0 - plan_level) + (weight - refused)[listed].sum() + 0.01,
        size=(draws, 1),
    )
    recent = 0.5 ** (-record.offer_made_d / RECENT_HALF_LIFE_D)
    usual = np.where(listed, list_level.mean(), plan_level)
    present = draw_present((recent * record.offer_refused).sum(), (recent * usual).sum(), draws=draws, rng=rng)
    left, waited = _weighted_exposure(record.wait_from_d, record.wait_to_d, record.wait_left)
    return Rates(
        plan_refused=np.clip(share * present * plan_level / both, 0.0, 0.98),
        list_refused=np.clip(share * present * list_level / both, 0.0, 0.98),
        given_up=_given_up(record, facilities=facilities, draws=draws, rng=rng),
        left=rng.gamma(left.sum() + 1.0, 1.0 / (waited.sum() + 1.0 / _RAREST_LEAVING), size=draws),
        refused_after=_shares(record.offer_share[record.offer_refused]),
        accepted_after=_shares(record.offer_share[~record.offer_refused]),
    )


def _given_up(record: Record, *, facilities: int, draws: int, rng: np.random.Generator) -> Floats:
    """(S, F) permits given up a permit-day."""
    seen = record.permit_from_d, record.permit_to_d, record.permit_ended
    ended, lasted = (_by_facility(record.permit_facility, part, facilities) for part in _weighted_exposure(*seen))
    rates = draw_hazards(ended, lasted, draws=draws, rng=rng)
    usual = (ended.sum() + 0.5) / max(lasted.sum(), 1.0)
    recent_ended, recent_lasted = _weighted_exposure(*seen, half_life_d=RECENT_HALF_LIFE_D)
    present = draw_present(recent_ended.sum(), usual * recent_lasted.sum(), draws=draws, rng=rng)
    return np.asarray(rates * present)


def draw_present(seen: float, expected: float, *, draws: int, rng: np.random.Generator) -> Floats:
    """Draw (S, 1) how the present compares with what is usual, from what was lately seen and was to be expected."""
    strength = 1.0 / _DRIFT**2
    return np.asarray(rng.gamma(strength + seen, 1.0 / (strength + expected), size=(draws, 1)))


def draw_hazards(events: Floats, exposure: Floats, *, draws: int, rng: np.random.Generator) -> Floats:
    """Draw rates (S, F) with events (F + 1,) in exposures (F + 1,); the last cell is for all outside the lists."""
    total = events.sum() + 0.5
    pooled = total / (exposure.sum() + 0.5 / _RAREST_GIVING_UP)
    means = pooled * np.exp(np.linspace(-_SPREAD, _SPREAD, _STEPS) / np.sqrt(total))
    shape, mean = (grid.ravel() for grid in np.meshgrid(_SHAPES, means, indexing="ij"))
    a, b = shape[:, None], (shape / mean)[:, None]
    likelihood = (
        gammaln(a + events) - gammaln(a) + a * np.log(b / (b + exposure)) - events * np.log(b + exposure)
    ).sum(axis=1)
    cell = _cells(likelihood, draws=draws, rng=rng)
    a, b = a[cell], b[cell]
    return np.asarray(rng.gamma(a + events[:-1], 1.0 / (b + exposure[:-1])))


def draw_shares(hits: Floats, trials: Floats, *, draws: int, rng: np.random.Generator) -> Floats:
    """Draw shares (S, F) with hits (F + 1,) in trials (F + 1,); the last cell is for all outside the lists."""
    total, misses = hits.sum() + 0.5, (trials - hits).sum() + 0.5
    centre = logit(total / (total + misses))
    error = np.sqrt(1.0 / total + 1.0 / misses)
    means = expit(centre + error * np.linspace(-_SPREAD, _SPREAD, _STEPS))
    strength, mean = (grid.ravel() for grid in np.meshgrid(_STRENGTHS, means, indexing="ij"))
    a, b = (strength * mean)[:, None], (strength * (1.0 - mean))[:, None]
    likelihood = (betaln(a + hits, b + trials - hits) - betaln(a, b)).sum(axis=1)
    cell = _cells(likelihood, draws=draws, rng=rng)
    return np.asarray(rng.beta(a[cell] + hits[:-1], b[cell] + (trials - hits)[:-1]))


def _cells(likelihood: Floats, *, draws: int, rng: np.random.Generator) -> Ints:
    chance = np.exp(likelihood - logsumexp(likelihood))
    return np.asarray(rng.choice(len(chance), size=draws, p=chance / chance.sum()))


def _by_facility(facility: Ints, amount: Floats, facilities: int) -> Floats:
    """(F + 1,) sums; what is outside the lists comes last."""
    index = np.where(facility < 0, facilities, facility)
    return np.bincount(index, weights=amount, minlength=facilities + 1).astype(np.float64)


def _mean(refused: Bools, weight: Floats) -> float:
    """Weighted share of refusals, one tenth where there is nothing to go by."""
    return float((weight * refused).sum() + 0.1) / float(weight.sum() + 1.0)


def _weighted_exposure(
    begin_d: Floats, end_d: Floats, ended: Bools, *, half_life_d: float = HALF_LIFE_D
) -> tuple[Floats, Floats]:
    """Weigh events and the time in which they could have happened alike: what is long gone counts less."""
    rate = np.log(2.0) / half_life_d
    lasted = (np.exp(rate * end_d) - np.exp(rate * begin_d)) / rate
    return ended * np.exp(rate * end_d), lasted


def _shares(seen: Floats) -> Floats:
    """Shares of an offer's time, ascending; without a record, all of it."""
    return np.sort(seen) if len(seen) else np.ones(1)
