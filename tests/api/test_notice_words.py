"""Every kind of notice is said in both languages, with the reason and the next date, and no field is left open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import api
from api.db.schema import metadata
from api.notices.kinds import KINDS
from api.notices.rendering import LANGUAGES, Told, render
from api.notices.words import Language, fields_of, said
from api.planning.verdicts import REASONS
from api.rounds.publishing import KEPT_BACK
from api.waitlist.dates import Why

FACTS: dict[str, Any] = {
    "facility": 5, "new_facility": 6, "round": 7, "offer": 8, "permit": 9, "entry": 10, "application": 11,
    "from": "2026-11-24T18:00:00+08:00", "to": "2026-11-25T08:00:00+08:00", "next_date": "2026-11-27",
    "first": "2026-12-01", "last": "2027-02-28", "half_by": "2027-01-05", "most_by": "2027-03-01",
    "not_before": "2027-04-01", "why": "too few bays have come free", "position": 1204, "walk_m": 180, "late_min": 25,
    "place": 2, "act": "fee", "appeal_until": "2026-12-02T12:00:00+08:00", "amount_cents": 30050, "refund_cents": 1200,
    "deposit_cents": 20_000, "due_cents": 900, "off_due_cents": 700, "owed_cents": 500, "late_exit": "2026-11-25",
    "receipt": "2026-12-01", "reason": "More cars of our own", "outcome": "moved",
    "decision": "upheld", "what": "cancelled", "nights_added": ["2026-12-05"],
    "nights_removed": ["2026-12-06", "2026-12-07"], "dates": ["2026-12-06"], "without_bay": ["2026-12-08"],
    "leave_by": [{"night": "2026-12-09", "to": "2026-12-10T07:00:00+08:00"}],
    "other_bay_on": ["2026-12-10"], "single_nights": [{"night": "2026-12-11", "facility": 12, "walk_m": 250}],
}  # fmt: skip
NAMES = {"facility": "江浦公园", "new_facility": "Tower 3", "round": "Spring 2027"}
EVERY_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
ENGLISH, CHINESE = LANGUAGES["en"], LANGUAGES["zh"]


def told(kind: str, facts: dict[str, Any] | None = None, names: dict[str, str] | None = None) -> Told:
    return Told(kind, FACTS if facts is None else facts, NAMES if names is None else names, "Asia/Shanghai", "CN")


@EVERY_LANGUAGE
def test_every_kind_has_its_words_and_no_other(language: Language) -> None:
    assert tuple(language.kinds) == KINDS


def test_both_languages_know_the_same_reasons_and_ask_for_the_same_facts() -> None:
    assert ENGLISH.reasons.keys() == CHINESE.reasons.keys()
    for kind in KINDS:
        asked = [
            {field for sentence in (*words.sentences, words.next) for part in sentence for field in fields_of(part)}
            for words in (ENGLISH.kinds[kind], CHINESE.kinds[kind])
        ]
        assert asked[0] == asked[1], kind


@EVERY_LANGUAGE
@EVERY_KIND
def test_a_notice_says_the_reason_and_the_next_date(kind: str, language: Language) -> None:
    text = render(told(kind), language)
    assert "More cars of our own" in text.whole
    assert language.day(date(2026, 11, 27)) in text.whole
    assert not re.search(r"[{}]|None|_", text.subject + text.whole)
    assert text.subject.strip()
    assert len(text.paragraphs) >= 3


@EVERY_LANGUAGE
@EVERY_KIND
def test_a_notice_that_knows_nothing_leaves_nothing_open(kind: str, language: Language) -> None:
    text = render(told(kind, {}, {}), language)
    assert not re.search(r"[{}]|None", text.subject + text.whole)
    assert text.subject.strip()
    assert text.paragraphs


@EVERY_LANGUAGE
@EVERY_KIND
def test_every_sentence_can_be_said(kind: str, language: Language) -> None:
    """No template asks for a fact that does not exist: with all of them its first alternative is the one said."""
    words = language.kinds[kind]
    for sentence in (words.subject, *words.sentences):
        known = dict.fromkeys((field for part in sentence for field in fields_of(part)), "x")
        assert said(sentence, known) == sentence[0].format_map(known)
        text = render(told(kind), language)
        assert any(part in (text.subject, *text.paragraphs) for part in _filled(sentence, language))


def _filled(sentence: tuple[str, ...], language: Language) -> list[str]:
    fields = {
        name: part
        for name in {field for template in sentence for field in fields_of(template)}
        if (part := _field(name, language)) is not None
    }
    found = said(sentence, fields)
    return [] if found is None else [found]


def _field(name: str, language: Language) -> str | None:
    """Say one field by itself, through a kind that has just this one."""
    probe = Language(
        **{
            **{field: getattr(language, field) for field in Language.__slots__},
            "kinds": {"probe": type(language.kinds["strike"])((f"{{{name}}}",), ())},
        }
    )
    subject = render(told("probe"), probe).subject
    return None if subject == "probe" else subject


@pytest.mark.parametrize(
    ("language", "span"),
    [
        (ENGLISH, "Tue 24 Nov 2026, 18:00 – Wed 25 Nov 08:00"),
        (CHINESE, "2026年11月24日（周二）18:00 至 11月25日（周三）08:00"),
    ],
    ids=["en", "zh"],
)
def test_hours_are_those_of_the_place_and_leave_no_doubt_across_midnight(language: Language, span: str) -> None:
    utc = {"from": "2026-11-24T10:00:00Z", "to": "2026-11-25T00:00:00Z"}
    assert span in render(told("stay_withdrawn", utc), language).whole
    assert span in render(told("stay_withdrawn"), language).whole


def test_the_end_of_a_stay_is_the_next_date_where_no_other_is_told() -> None:
    facts = {"from": FACTS["from"], "to": FACTS["to"]}
    assert "Please drive out by Wed 25 Nov 2026, 08:00." in render(told("leave_soon", facts), ENGLISH).whole


def test_numbers_have_their_units() -> None:
    assert "1,204" in render(told("waitlisted"), ENGLISH).whole
    assert "¥300.50" in render(told("fee_due"), ENGLISH).subject
    assert "25 分钟" in render(told("strike"), CHINESE).whole
    assert "步行 180 米" in render(told("offer_made"), CHINESE).whole
    assert "deposit" not in render(told("offer_made", {"walk_m": 180}), ENGLISH).whole
    assert "A deposit of ¥200.00 is charged" in render(told("offer_made"), ENGLISH).whole
    assert "押金 ¥200.00" in render(told("offer_made"), CHINESE).whole


def test_a_known_reason_is_said_in_the_language_and_any_other_as_it_was_given() -> None:
    assert "Reason: the term is over." in render(told("permit_ended", {"reason": "term_over"}), ENGLISH).whole
    assert "原因：期限已满。" in render(told("permit_ended", {"reason": "term_over"}), CHINESE).whole
    assert "原因：自用车辆增加。" in render(told("permit_ended", {"reason": "自用车辆增加。"}), CHINESE).whole


def test_what_somebody_wrote_breaks_neither_lines_nor_templates() -> None:
    reason = "Works\r\nBcc: everybody {facility}" + "x" * 1000
    text = render(told("permit_ended", {"reason": reason}, {"facility": "A\nB {round} {0}"}), ENGLISH)
    assert text.subject == "Your permit at A B {round} {0} ends"
    assert "\r" not in text.whole
    assert "Works Bcc: everybody {facility}" in text.whole
    assert len(text.whole) < 700


@pytest.mark.parametrize("reason", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:00-12:00"])
def test_a_reason_that_looks_like_a_moment_of_no_clock_is_said_as_it_was_given(reason: str) -> None:
    assert reason in render(told("stay_withdrawn", {"reason": reason}), ENGLISH).whole


def test_many_dates_are_counted() -> None:
    nights = [f"2026-12-{day:02d}" for day in range(1, 21)]
    assert "and 8 more." in render(told("permit_changed", {"nights_removed": nights}), ENGLISH).whole
    assert "另有 8 天" in render(told("permit_changed", {"nights_removed": nights}), CHINESE).whole


@pytest.mark.parametrize("odd", [{"from": "18:00", "to": 5}, {"walk_m": "far"}, {"next_date": []}, {"first": {"a": 1}}])
def test_odd_facts_spoil_no_inbox(odd: dict[str, Any]) -> None:
    assert render(told("offer_made", odd), ENGLISH).paragraphs


def test_words_of_programs_are_said_as_people_say_them() -> None:
    back = render(told("permit_changed", {"called_off": True, "next_date": "2026-12-01"}), ENGLISH).whole
    assert "What changes: the owner takes the withdrawal back." in back
    assert "What changes" not in render(told("permit_changed", {"called_off": False}), ENGLISH).whole
    thin = render(told("date_changed", {"not_before": "2026-12-01", "why": "too_few_releases"}), CHINESE).whole
    assert "目前还不能给出更准确的日期：释放的泊位太少。" in thin
    assert (
        "Reason: of a later version." in render(told("permit_ended", {"reason": "of_a_later_version"}), ENGLISH).whole
    )
    assert "¥3.00" in render(told("refund_made", {"cents": 300}), ENGLISH).subject
    assert "¥" not in render(told("bay_taken", {"outcome": "moved", "due_cents": 0}), ENGLISH).whole
    assert "charged" not in render(told("refund_made", {"cents": 300}), ENGLISH).whole
    owed = told("payment_received", {"cents": 300, "owed_from": "2026-12-01"})
    assert "paid out from Tue 1 Dec 2026" in render(owed, ENGLISH).whole
    assert "2026年12月1日" in render(owed, CHINESE).whole


def test_only_what_was_paid_out_is_said_to_be_paid_back() -> None:
    paid = {"cents": 5000, "receipt": "2026-12-01", "reason": "paid_out"}
    assert render(told("refund_made", paid), ENGLISH).whole.startswith(
        "¥50.00 was paid back to you, receipt 2026-12-01."
    )
    assert render(told("refund_made", paid), CHINESE).whole.startswith("已退还您 ¥50.00，收据 2026-12-01。")
    unpaid = told("refund_made", {"cents": 5000, "reason": "lifted", "off_due_cents": 5000})
    assert render(unpaid, ENGLISH).paragraphs[:2] == ("¥50.00 was credited to you.", "You have ¥50.00 less to pay.")
    assert render(unpaid, CHINESE).paragraphs[:2] == ("¥50.00 已记入您的账户。", "您的待缴金额减少 ¥50.00。")
    for kind in set(KINDS) - {"refund_made"}:
        assert not re.search("(paid|get|money|due) .*back|back to you", render(told(kind), ENGLISH).whole), kind
        assert not re.search("退还您|退款", render(told(kind), CHINESE).whole), kind


def test_the_fee_of_a_strike_is_told_with_the_late_exit_that_it_is_for() -> None:
    facts = {"facility": 5, "amount_cents": 5000, "late_exit": "2026-03-05", "next_date": "2026-03-16"}
    assert render(told("fee_due", facts), ENGLISH).paragraphs == (
        "¥50.00 is to be paid because your car left 江浦公园 late on Thu 5 Mar 2026.",
        "Please pay by Mon 16 Mar 2026.",
    )
    assert render(told("fee_due", facts), CHINESE).paragraphs == (
        "因车辆于2026年3月5日（周四）超时驶离江浦公园，待缴 ¥50.00。",
        "请在 2026年3月16日（周一） 前缴纳。",
    )
    assert "late" not in render(told("fee_due", {"facility": 5, "cents": 5000}), ENGLISH).whole


# -------------------------------------------------------------------------------------------------- codes that are told

_TOLD = r"reason|what|why|act|outcome|decision|taken_back"
_WRITTEN = re.compile(rf'"(?:{_TOLD})": "([a-z_]+)"|\breason="([a-z_]+)"')
_NOT_TOLD = {"strike", "import", "holder"}
"""Kept beside a plate off its lists, in the history of a facility, and beside a dispute on a plate."""


def codes_in_source() -> Iterator[str]:
    """Find the codes that the service writes into facts, or ends permits and refunds money for."""
    for path in Path(api.__file__).parent.rglob("*.py"):
        if path.parent.name not in ("notices", "cli", "interface", "versions", "planning", "finding"):
            for found in _WRITTEN.finditer(path.read_text(encoding="utf-8")):
                yield next(code for code in found.groups() if code)


def codes_in_tables() -> Iterator[str]:
    """Find the codes that the database lets columns have which are told."""
    for table, column in (
        ("permits", "end_reason"),
        ("strikes", "act"),
        ("strike_appeals", "decision"),
        ("bay_claims", "outcome"),
    ):
        checks = [str(getattr(c, "sqltext", "")) for c in metadata.tables[table].constraints]
        found = [code for check in checks if f"{column} IN (" in check for code in re.findall(r"'([a-z_]+)'", check)]
        assert found, f"{table}.{column} has no check any more"
        yield from found


@EVERY_LANGUAGE
def test_every_code_that_can_be_told_has_words(language: Language) -> None:
    codes = {*codes_in_source(), *codes_in_tables(), *REASONS, *KEPT_BACK, *map(str, Why)} - _NOT_TOLD
    assert {"given_up", "round_over", "moved_too_far", "money_back"} <= codes
    assert "weighs_less" in language.reasons, "of a fee that is credited"
    assert sorted(codes - language.reasons.keys()) == []


def test_nights_placed_one_by_one_and_on_other_bays_are_said_without_ids() -> None:
    moved = render(told("permit_moved"), ENGLISH).whole
    assert "Nights placed one by one: Fri 11 Dec 2026 250 m." in moved
    assert "12 " not in moved.split("one by one")[1].split(".")[0].removeprefix(": Fri 11 Dec 2026")
    changed = render(told("permit_changed"), CHINESE).whole
    assert "在同一地点改用其他泊位的夜次：2026年12月10日（周四）。" in changed
