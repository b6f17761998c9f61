"""Is the page what somebody may be sent: true, whole in one file, and harmless?"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core.model.capabilities import StoragePrice
from recording_core.reporting.collect.selection import Collection, Covered, ReportWindow
from recording_core.reporting.compute.overview import Overview
from recording_core.reporting.compute.prices import Prices
from recording_core.reporting.html import charts as plots
from recording_core.reporting.html import number_format as wording
from recording_core.reporting.html.page import page
from recording_core.reporting.html.status_groups import FAMILIES, MEANINGS, family_of
from recording_core.reporting.html.timeline import MOST_STEPS, Timeline, timeline
from recording_core.reporting.report import measured

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
HOSTILE = "<script>alert(\"1\")</script>' onload='x"
SIGNED = "https://media.example/a.mp3?X-Amz-Signature=c0ffee"


def recording(number: int = 0, **fields: Any) -> rec.Recording:
    started = NOW - timedelta(days=1 + number % 90)
    return rec.Recording(
        **{
            "provider": "acme",
            "account": "default",
            "id": f"r{number}",
            "status": rec.RecordingStatus.AVAILABLE,
            "started_at": started,
            "ended_at": started + timedelta(minutes=5),
            "created_at": started,
            "duration": timedelta(minutes=5),
            "files": (rec.MediaFile("f", rec.FileRole.MIX),),
            **fields,
        }
    )


def covered(provider: str = "acme", account: str = "default", **fields: Any) -> Covered:
    error = fields.pop("error", None)
    return Covered(
        provider, account, rec.Coverage(**{"complete": error is None, **fields}), NOW, error
    )


def report_of(
    recordings: Iterable[rec.Recording],
    *coverage: Covered,
    by: tuple[str, ...] = ("provider",),
    since: datetime | None = None,
    tz: str = "UTC",
) -> rec.Report:
    return measured(
        Collection(pa.table(rec.rows(recordings)), coverage or (covered(),)),
        ReportWindow(since, None, tz, NOW),
        by,
        expiring=timedelta(days=7),
        prices=Prices({"acme": StoragePrice(per_gb_month=2.0)}),
        engine="duckdb",
    )


class Parsed(HTMLParser):
    """What a browser would make of the page: its tags, its text, its tables' cells."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.tables: list[list[list[str]]] = []
        self._open: list[str] = []
        self._cell: int | None = None
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            across = int(dict(attrs).get("colspan") or 1)
            self._cell = len(self.tables[-1][-1])
            self.tables[-1][-1] += [""] * across

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag in ("td", "th"):
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            return
        self.words.append(data)
        if self._cell is not None:
            self.tables[-1][-1][self._cell] += data

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def figures(report: rec.Report) -> list[dict[str, str]]:
    """The table of all figures: a dict a row, by its headings."""
    heading, *rows = Parsed(page(report)).tables[-1]
    return [dict(zip(heading, row, strict=False)) for row in rows]


# -- harmless -------------------------------------------------------------------------------------


def hostile() -> rec.Report:
    recordings = [
        recording(
            number,
            provider=HOSTILE,
            account=HOSTILE,
            status=rec.RecordingStatus.UNKNOWN,
            provider_status=f"{HOSTILE}{number} {SIGNED} \x1b[31m\u202e",
            error=HOSTILE,
        )
        for number in range(3)
    ]
    error = rec.Unavailable(f"{HOSTILE} {SIGNED}", provider="acme", operation=rec.Operation.LIST)
    return report_of(
        recordings,
        covered(HOSTILE, HOSTILE, not_listable=(f"{HOSTILE} {SIGNED}",)),
        covered("gone", HOSTILE, error=error, errors=(f"{HOSTILE} {SIGNED}",)),
        by=("provider", "account", "provider_status", "error"),
    )


def test_words_of_strangers_are_text_and_nothing_else() -> None:
    html = page(hostile())
    parsed = Parsed(html)
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert not [name for _, attrs in parsed.tags for name in attrs if name.startswith("on")]
    assert parsed.text.count(HOSTILE) > 10
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_no_signed_url_is_in_it() -> None:
    html = page(hostile())
    assert "c0ffee" not in html
    assert "media.example/a.mp3?***" in html


@pytest.mark.parametrize("by", [("provider",), ("provider", "day", "status"), ()])
def test_nothing_is_fetched_and_nothing_runs(by: tuple[str, ...]) -> None:
    html = page(report_of(map(recording, range(40)), by=by))
    parsed = Parsed(html)
    fetching = {"audio", "base", "embed", "form", "iframe", "image", "img", "input", "link"}
    fetching |= {"object", "script", "source", "use", "video"}
    assert not fetching & {tag for tag, _ in parsed.tags}
    for _, attrs in parsed.tags:
        assert "style" not in attrs
        for name in ("src", "href", "srcset", "action", "xlink:href", "background"):
            assert (attrs.get(name) or "#").startswith("#")
        assert "://" not in "".join(value or "" for value in attrs.values())
    [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert not re.search(r"url\(|@import|@font-face|http", style)
    assert "http:" not in html
    assert "https:" not in html


def test_its_policy_allows_its_own_style_alone() -> None:
    html = page(report_of([recording()]))
    [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    [policy] = [
        attrs["content"] or ""
        for _, attrs in Parsed(html).tags
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    mark = b64encode(sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{mark}';" in policy
    assert "unsafe" not in policy


def test_it_names_the_vendor_that_is_missing_before_any_figure() -> None:
    error = rec.Unavailable(
        "the connection was refused", provider="other", operation=rec.Operation.LIST
    )
    report = report_of(
        map(recording, range(3)),
        covered(),
        evolve(covered("other", "support", error=error, errors=(str(error),)), asked_at=None),
    )
    text = Parsed(page(report)).text
    assert text.index("Missing from this report") < text.index("3 recordings at acme")
    banner = text[: text.index("3 recordings at acme")]
    assert "other · support is missing: none of its recordings are in any figure" in banner
    assert "the connection was refused" in banner
    assert "other · support could not be asked." in text
    assert "at 1 of 2 accounts" in text
    # In each comparison, where it would have stood.
    assert text.count("other · support missing") >= 3


def test_an_account_that_was_seen_in_part_is_named_with_the_reason() -> None:
    part = covered(complete=False, seen=3, expected=5, unreadable=1)
    text = Parsed(page(report_of(map(recording, range(3)), part))).text
    assert "This report is not complete" in text
    assert "Missing from this report" not in text
    assert "The vendor counts 5, and showed 3." in text
    assert "1 recording could not be read." in text


def test_a_complete_report_raises_no_alarm_and_tells_its_blind_spots() -> None:
    report = report_of([recording()], covered(not_listable=("recordings of conferences",)))
    parsed = Parsed(page(report))
    assert "alarm" not in {attrs.get("class") for _, attrs in parsed.tags}
    assert "acme complete, with a blind spot" in parsed.text
    assert "recordings of conferences" in parsed.text


# -- true -----------------------------------------------------------------------------------------


def various(number: int) -> rec.Recording:
    statuses = list(rec.RecordingStatus)
    return recording(
        number,
        provider=("acme", "other")[number % 2],
        status=statuses[number % len(statuses)],
        provider_status="WORD",
        size=1_234_567 * number if number % 3 else None,
        duration=timedelta(seconds=number * 97) if number % 5 else None,
    )


@pytest.mark.parametrize("by", ["provider", "provider,week", "month", "status", "provider,day"])
def test_its_figures_are_those_of_the_json(by: str) -> None:
    report = report_of(map(various, range(300)), by=tuple(by.split(",")))
    told = json.loads(report.to_json())
    *rows, together = figures(report)
    assert len(rows) == len(told["rows"])
    for shown, row in [*zip(rows, told["rows"], strict=True), (together, told["totals"])]:
        known = row["recordings"]

        def of(name: str, known: int = known, row: dict[str, Any] = row) -> str:
            return "" if row[name] == known else f" of {row[name]:,}"

        hours = "–" if row["hours"] is None else f"{row['hours']:,.2f}{of('seconds_known')}"
        size = "–" if row["bytes"] is None else f"{wording.size(row['bytes'])}{of('bytes_known')}"
        assert shown["Recordings"] == f"{known:,}"
        assert shown["Lengthhours"] in (hours, f"<\xa00.01{of('seconds_known')}")
        assert shown["Size"] == size
        assert shown["Failed"] == str(row["failed"])
        assert shown["Unknown"] == str(row["unknown"])
    for name in report.by:
        heading = f"{name.capitalize()}{'UTC' if name in ('day', 'week', 'month') else ''}"
        assert [row[heading] for row in rows] == [row[name] for row in told["rows"]]


def test_exact_bytes_stand_behind_the_size() -> None:
    html = page(report_of([recording(size=1_234_567)]))
    assert 'title="1,234,567 bytes">1.2\xa0MB</td>' in html


def test_what_no_vendor_tells_is_a_dash_and_never_0() -> None:
    silent = recording(duration=None, started_at=None, ended_at=None, provider="silent")
    loud = recording(1, size=2_000_000_000)
    rows = figures(report_of([silent, loud]))
    assert [rows[0]["Size"], rows[1]["Size"]] == ["2.0\xa0GB", "–"]
    assert rows[1]["Lengthhours"] == "–"
    assert rows[1]["StorageUSD a month"] == "–"
    assert rows[2]["Size"] == "2.0\xa0GB of 1"
    text = Parsed(page(report_of([silent]))).text
    assert "Not told by any vendor, and left out: length, size, median" in text
    assert "0 B" not in text


def test_words_that_we_do_not_know_are_explained_once_a_vendor() -> None:
    odd = [
        recording(
            number,
            account=("default", "eu")[number % 2],
            status=rec.RecordingStatus.UNKNOWN,
            provider_status=("transmogrified", "w<b>", "transmogrified")[number],
        )
        for number in range(3)
    ]
    text = Parsed(page(report_of([*odd, recording(3)]))).text
    assert "The state of 3 recordings is in words that are new to this report" in text
    assert text.count("acme says “transmogrified” and “w<b>”.") == 1
    assert "new to this report" not in Parsed(page(report_of([recording()]))).text


def test_what_fails_and_what_expires_soon_is_said_with_where() -> None:
    rows = [
        recording(0, status=rec.RecordingStatus.FAILED),
        recording(1, media_expires_at=NOW + timedelta(days=2)),
        recording(2, media_expires_at=NOW + timedelta(days=2), account="eu"),
    ]
    text = Parsed(page(report_of(rows))).text
    assert "1 recording failed: 1 at acme." in text
    assert "2 recordings will lose their media soon: 1 at acme and 1 at acme · eu." in text


def test_each_status_is_counted_with_its_share() -> None:
    text = Parsed(page(report_of(map(various, range(110))))).text
    for status, words in MEANINGS.items():
        assert f"{status.value} {words} 10 9.1 %" in text


def test_times_are_in_the_zone_that_was_asked_for() -> None:
    report = report_of([recording()], since=NOW - timedelta(days=90), tz="Asia/Tokyo")
    text = Parsed(page(report)).text
    assert "From 3 Mar 2026, 21:00 to 1 Jun 2026, 21:00" in text
    assert "Times in Asia/Tokyo" in text


# -- whole, and of any size -----------------------------------------------------------------------


def test_an_empty_report_opens() -> None:
    text = Parsed(page(report_of([]))).text
    assert "No recordings were found." in text


def test_a_report_of_no_account_says_so() -> None:
    report = evolve(report_of([]), coverage=())
    assert "No account was asked" in Parsed(page(report)).text


def test_a_report_of_one_row_has_no_sum_below_it() -> None:
    [row] = figures(report_of([recording()]))
    assert row["Recordings"] == "1"


def test_recordings_without_any_time_are_counted() -> None:
    timeless = recording(started_at=None, ended_at=None, created_at=None, duration=None)
    text = Parsed(page(report_of([timeless]))).text
    assert "1 recording without any date, 1 at acme" in text
    assert "Recordings by day" not in text
    both = Parsed(page(report_of([timeless, recording(1)]))).text
    assert "Without a date, and so in no column: 1." in both


def test_ten_thousand_rows_stay_small_and_their_sum_is_whole() -> None:
    report = report_of(
        (recording(number, size=1000, provider_status=f"w{number}") for number in range(10_000)),
        by=("provider", "account", "provider_status"),
    )
    assert len(report.rows) == 10_000
    html = page(report)
    assert len(html) < 2_000_000
    *shown, folded, together = Parsed(html).tables[-1][1:]
    assert len(shown) == 1_000
    assert folded[0] == "9,000\xa0further rows together"
    assert (folded[3], folded[5]) == ("9,000", "9.0\xa0MB")
    assert together[3] == "10,000"


def test_it_is_made_for_dark_and_light_for_phones_and_for_paper() -> None:
    html = page(report_of([recording()]))
    assert '<meta name="color-scheme" content="light dark">' in html
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    for query in ("(prefers-color-scheme: dark)", "(max-width: 640px)", "@media print"):
        assert query in html


def test_every_plot_has_words_and_every_table_headings() -> None:
    parsed = Parsed(page(report_of(map(various, range(300)), by=("provider", "day"))))
    ids = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    for tag, attrs in parsed.tags:
        if tag == "svg":
            assert attrs.get("aria-hidden") == "true" or attrs.get("role") == "img"
        if tag == "th":
            assert attrs.get("scope") in ("col", "row")
        for named in (attrs.get("aria-labelledby") or "").split():
            assert named in ids
        drawn = re.fullmatch(r"url\(#(.*)\)", attrs.get("fill") or "")
        assert drawn is None or drawn[1] in ids


# -- the plot by time -----------------------------------------------------------------------------


def over(
    days: Iterable[tuple[date | None, str, int]],
    since: datetime | None = None,
    until: datetime = NOW,
    tz: str = "UTC",
) -> Timeline:
    times = [
        {"day": day.isoformat() if day else None, "status": status, "recordings": count}
        for day, status, count in days
    ]
    found = timeline(Overview([], times, "day"), since, until, ZoneInfo(tz))
    assert found is not None
    return found


def test_a_quarter_is_drawn_by_day_with_the_days_on_which_nothing_happened() -> None:
    found = over([(date(2026, 5, 1), "available", 3)], since=NOW - timedelta(days=90))
    assert found.unit == "day"
    assert len(found.steps) == 91
    assert (found.steps[0].label, found.steps[-1].label) == ("3\xa0Mar", "1\xa0Jun")
    assert sum(step.recordings for step in found.steps) == 3


@pytest.mark.parametrize(
    ("first", "unit", "steps"),
    [
        (date(2026, 1, 23), "day", 130),
        (date(2026, 1, 22), "week", 20),
        (date(2020, 1, 1), "month", 78),
        (date(1970, 1, 1), "year", 57),
    ],
)
def test_a_longer_time_is_drawn_in_coarser_steps(first: date, unit: str, steps: int) -> None:
    found = over([(first, "available", 1), (NOW.date(), "failed", 2)])
    assert (found.unit, len(found.steps)) == (unit, steps)


def test_a_window_far_longer_than_what_is_in_it_makes_no_step_coarser() -> None:
    found = over([(date(2026, 5, 1), "available", 1)], since=datetime(1990, 1, 1, tzinfo=UTC))
    assert found.unit == "day"


def test_the_hour_that_comes_twice_in_autumn_is_two_columns() -> None:
    twice = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    report = report_of(
        [recording(number, created_at=twice + timedelta(hours=number)) for number in range(3)],
        by=("hour",),
        tz="Europe/Berlin",
    )
    found = timeline(report.overview, None, NOW, ZoneInfo("Europe/Berlin"))
    assert found is not None
    assert [step.label for step in found.steps] == ["02:00", "02:00", "03:00"]
    assert [step.recordings for step in found.steps] == [1, 1, 1]


DAYS = st.lists(
    st.tuples(
        st.none() | st.dates(),
        st.sampled_from([*(each.value for each in rec.RecordingStatus), "a later word"]),
        st.integers(1, 10**9),
    ),
    max_size=30,
).filter(lambda rows: any(day for day, _, _ in rows))


@settings(deadline=None)
@given(
    DAYS,
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.datetimes(min_value=datetime(2, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia"]),
)
def test_every_recording_is_in_one_column_and_each_column_within_the_plot(
    rows: list[tuple[date | None, str, int]], since: datetime | None, until: datetime, tz: str
) -> None:
    found = over(rows, since, until, tz)
    assert sum(step.recordings for step in found.steps) + found.undated == sum(
        count for _, _, count in rows
    )
    families = Counter[str]()
    for day, status, count in rows:
        if day is not None:
            families[family_of(status).name] += count
    for family in FAMILIES:
        drawn = sum(step.counts.get(family.name, 0) for step in found.steps)
        assert drawn == families[family.name]
    assert len(found.steps) <= MOST_STEPS or found.unit == "year"
    chart = plots.stacked(found.steps)
    assert len(chart.columns) == len(found.steps)
    for column, after in pairwise(chart.columns):
        assert share(column.x) + share(column.width) <= share(after.x) + 1e-2
    for column in chart.columns:
        assert share(column.x) + share(column.width) <= 100.01
        below = 100.0
        for part in column.segments:
            assert share(part.y) + share(part.height) == pytest.approx(below, abs=0.01)
            below = share(part.y)
        assert below >= 0


def share(percent: str) -> float:
    return float(percent.removesuffix("%"))


# -- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (wording.size(0), "0 B"),
        (wording.size(999), "999 B"),
        (wording.size(999_960), "1.0 MB"),
        (wording.size(1_234_567_890_123_456_789), "1,234.6 PB"),
        (wording.length(0.4), "0:00"),
        (wording.length(3_723), "1:02:03"),
        (wording.length(9e12), "2,500,000,000:00:00"),
        (wording.percent(0, 5), "0 %"),
        (wording.percent(1, 100_000), "< 0.1 %"),
        (wording.percent(99_999, 100_000), "> 99.9 %"),
        (wording.percent(0, 0), "–"),
        (wording.hours(0.0), "0.00"),
        (wording.hours(0.001), "< 0.01"),
        (wording.joined(["a", "b", "c"]), "a, b and c"),
        (wording.joined([]), ""),
        (wording.counted(1, "row"), "1 row"),
    ],
)
def test_figures_read_as_people_write_them(shown: str, words: str) -> None:
    assert shown.replace("\xa0", " ") == words


@pytest.mark.parametrize(
    ("since", "until", "words"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC), "1 Jan – 31 Mar 2026"),
        (
            datetime(2025, 12, 1, tzinfo=UTC),
            datetime(2026, 1, 1, tzinfo=UTC),
            "1 Dec – 31 Dec 2025",
        ),
        (datetime(2025, 12, 1, tzinfo=UTC), None, "1 Dec 2025 – 1 Jun 2026"),
        (datetime(2026, 6, 1, tzinfo=UTC), None, "1 Jun 2026"),
        (None, None, "Until 1 Jun 2026"),
    ],
)
def test_a_period_is_named_by_the_days_that_it_touches(
    since: datetime | None, until: datetime | None, words: str
) -> None:
    assert wording.period(since, until, NOW, UTC).replace("\xa0", " ") == words
