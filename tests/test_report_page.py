"""The HTML page of a report: correct, self-contained and safe to share."""

from __future__ import annotations

import csv
import io
import json
import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core import plugin
from recording_core.listing.coverage import AccountCoverage
from recording_core.model.capabilities import StoragePrice
from recording_core.reporting import number_format
from recording_core.reporting.collect.collected_rows import CollectedRows
from recording_core.reporting.compute.prices import Prices
from recording_core.reporting.html import charts
from recording_core.reporting.html.page import render_page
from recording_core.reporting.html.status_groups import (
    MEANINGS,
    NO_FILE,
    STATUS_GROUPS,
    find_status_group,
)
from recording_core.reporting.html.timeline import MAX_STEPS, Timeline, build_timeline
from recording_core.reporting.report import Overview, build_report
from recording_core.reporting.window import ReportWindow

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
HOSTILE = "<script>alert(\"1\")</script>' onload='x"
SIGNED = "https://media.example/a.mp3?X-Amz-Signature=c0ffee"


def build_recording(number: int = 0, **fields: Any) -> rec.Recording:
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


def build_coverage(
    provider: str = "acme", account: str = "default", **fields: Any
) -> AccountCoverage:
    error = fields.pop("error", None)
    return AccountCoverage(
        provider, account, rec.Coverage(**{"complete": error is None, **fields}), NOW, error
    )


def build_test_report(
    recordings: Iterable[rec.Recording],
    *coverage: AccountCoverage,
    by: tuple[str, ...] = ("provider",),
    since: datetime | None = None,
    tz: str = "UTC",
) -> rec.Report:
    return build_report(
        CollectedRows(pa.table(rec.rows(recordings)), coverage or (build_coverage(),)),
        ReportWindow(since, None, tz, NOW),
        by,
        expiring=timedelta(days=7),
        prices=Prices({"acme": StoragePrice(per_gb_month=2.0)}),
        engine="duckdb",
    )


class PageParser(HTMLParser):
    """The page as a browser parses it: its tags, its text, the cells of its tables."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.tables: list[list[list[str]]] = []
        self._open_tags: list[str] = []
        self._cell: int | None = None
        self.feed(html)
        self.close()
        assert self._open_tags == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open_tags.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            span = int(dict(attrs).get("colspan") or 1)
            self._cell = len(self.tables[-1][-1])
            self.tables[-1][-1] += [""] * span

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open_tags.pop() == tag
        if tag in ("td", "th"):
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._open_tags and self._open_tags[-1] == "style":
            return
        self.words.append(data)
        if self._cell is not None:
            self.tables[-1][-1][self._cell] += data

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def read_table(report: rec.Report) -> list[dict[str, str]]:
    """Read the table of all figures: one dict per row, by its headings."""
    heading, *rows = PageParser(render_page(report)).tables[-1]
    return [dict(zip(heading, row, strict=False)) for row in rows]


# -- safety ---------------------------------------------------------------------------------------


def build_hostile_report() -> rec.Report:
    recordings = [
        build_recording(
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
    return build_test_report(
        recordings,
        build_coverage(HOSTILE, HOSTILE, not_listable=(f"{HOSTILE} {SIGNED}",)),
        build_coverage("gone", HOSTILE, error=error, errors=(f"{HOSTILE} {SIGNED}",)),
        by=("provider", "account", "provider_status", "error"),
    )


def test_text_from_vendors_is_escaped() -> None:
    html = render_page(build_hostile_report())
    parsed = PageParser(html)
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert not [name for _, attrs in parsed.tags for name in attrs if name.startswith("on")]
    assert parsed.text.count(HOSTILE) > 10
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_signed_queries_are_redacted() -> None:
    html = render_page(build_hostile_report())
    assert "c0ffee" not in html
    assert "media.example/a.mp3?***" in html


@pytest.mark.parametrize("by", [("provider",), ("provider", "day", "status"), ()])
def test_the_page_loads_nothing_and_runs_nothing(by: tuple[str, ...]) -> None:
    html = render_page(build_test_report(map(build_recording, range(40)), by=by))
    parsed = PageParser(html)
    loading = {"audio", "base", "embed", "form", "iframe", "image", "img", "input", "link"}
    loading |= {"object", "script", "source", "use", "video"}
    assert not loading & {tag for tag, _ in parsed.tags}
    for _, attrs in parsed.tags:
        assert "style" not in attrs
        for name in ("src", "href", "srcset", "action", "xlink:href", "background"):
            assert (attrs.get(name) or "#").startswith(("#", "data:text/csv;"))
        assert "://" not in "".join(value or "" for value in attrs.values())
    [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert not re.search(r"url\(|@import|@font-face|http", style)
    assert "http:" not in html
    assert "https:" not in html


def test_the_security_policy_allows_only_the_style_sheet() -> None:
    html = render_page(build_test_report([build_recording()]))
    [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    [policy] = [
        attrs["content"] or ""
        for _, attrs in PageParser(html).tags
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}';" in policy
    assert "unsafe" not in policy


def test_a_missing_vendor_is_named_before_any_figure() -> None:
    error = rec.Unavailable(
        "the connection was refused", provider="other", operation=rec.Operation.LIST
    )
    report = build_test_report(
        map(build_recording, range(3)),
        build_coverage(),
        evolve(
            build_coverage("other", "support", error=error, errors=(str(error),)), asked_at=None
        ),
    )
    text = PageParser(render_page(report)).text
    assert text.index("Missing from this report") < text.index("3 recordings at acme")
    banner = text[: text.index("3 recordings at acme")]
    assert "other · support is missing: none of its recordings are in any figure" in banner
    assert "the connection was refused" in banner
    assert "other · support could not be read." in text
    assert "at 1 of 2 accounts" in text
    # In each comparison.
    assert text.count("other · support missing") >= 3


def test_an_incomplete_account_is_named_with_the_reasons() -> None:
    incomplete = build_coverage(complete=False, seen=3, expected=5, unreadable=("Row 3: no id",))
    text = PageParser(
        render_page(build_test_report(map(build_recording, range(3)), incomplete))
    ).text
    assert "This report is not complete" in text
    assert "Missing from this report" not in text
    assert "The vendor reports a total of 5, and 3 were seen." in text
    assert "1 recording could not be read." in text


def test_a_complete_report_has_no_alarm_and_names_what_cannot_be_listed() -> None:
    report = build_test_report(
        [build_recording()], build_coverage(not_listable=("recordings of conferences",))
    )
    parsed = PageParser(render_page(report))
    assert "alarm" not in {attrs.get("class") for _, attrs in parsed.tags}
    assert "acme complete, but some recordings cannot be listed" in parsed.text
    assert "Cannot be listed:" in parsed.text
    assert "recordings of conferences" in parsed.text


def test_fields_that_a_vendor_changed_are_listed() -> None:
    changed = build_coverage(unread_fields={"meeting.<b>": 1234})
    text = PageParser(render_page(build_test_report([build_recording()], changed))).text
    assert re.search(r"Fields that a vendor changed.*acme\s+meeting\.<b>\s+1,234", text, re.DOTALL)
    plain = PageParser(render_page(build_test_report([build_recording()], build_coverage()))).text
    assert "Fields that a vendor changed" not in plain


# -- correctness ----------------------------------------------------------------------------------


def build_varied_recording(number: int) -> rec.Recording:
    statuses = list(rec.RecordingStatus)
    return build_recording(
        number,
        provider=("acme", "other")[number % 2],
        status=statuses[number % len(statuses)],
        provider_status="WORD",
        size=1_234_567 * number if number % 3 else None,
        duration=timedelta(seconds=number * 97) if number % 5 else None,
    )


@pytest.mark.parametrize("by", ["provider", "provider,week", "month", "status", "provider,day"])
def test_the_figures_equal_those_of_the_json(by: str) -> None:
    report = build_test_report(map(build_varied_recording, range(300)), by=tuple(by.split(",")))
    parsed = json.loads(report.to_json())
    *rows, total = read_table(report)
    assert len(rows) == len(parsed["rows"])
    for shown, row in [*zip(rows, parsed["rows"], strict=True), (total, parsed["totals"])]:
        count = row["recordings"]

        def format_of(name: str, count: int = count, row: dict[str, Any] = row) -> str:
            return "" if row[name] == count else f" of {row[name]:,}"

        hours = "–" if row["hours"] is None else f"{row['hours']:,.2f}{format_of('seconds_known')}"
        size = (
            "–"
            if row["bytes"] is None
            else f"{number_format.format_size(row['bytes'])}{format_of('bytes_known')}"
        )
        assert shown["Recordings"] == f"{count:,}"
        assert shown["Durationhours"] in (hours, f"<\xa00.01{format_of('seconds_known')}")
        assert shown["Size"] == size
        assert shown["Failed"] == str(row["failed"])
        assert shown["Unknown"] == str(row["unknown"])
    for name in report.by:
        heading = f"{name.capitalize()}{'UTC' if name in ('day', 'week', 'month') else ''}"
        assert [row[heading] for row in rows] == [row[name] for row in parsed["rows"]]


def test_the_exact_bytes_are_in_the_title_of_the_size() -> None:
    html = render_page(build_test_report([build_recording(size=1_234_567)]))
    assert 'title="1,234,567 bytes">1.2\xa0MB</td>' in html


def test_a_value_that_is_not_reported_is_a_dash_and_never_0() -> None:
    without = build_recording(duration=None, started_at=None, ended_at=None, provider="silent")
    with_size = build_recording(1, size=2_000_000_000)
    rows = read_table(build_test_report([without, with_size]))
    assert [rows[0]["Size"], rows[1]["Size"]] == ["2.0\xa0GB", "–"]
    assert rows[1]["Durationhours"] == "–"
    assert rows[1]["StorageUSD per month"] == "–"
    assert rows[2]["Size"] == "2.0\xa0GB of 1"
    text = PageParser(render_page(build_test_report([without]))).text
    assert "Left out, since no vendor reports it: duration, size, median" in text
    assert "0 B" not in text


def test_unknown_statuses_are_listed_once_per_vendor() -> None:
    unknown = [
        build_recording(
            number,
            account=("default", "eu")[number % 2],
            status=rec.RecordingStatus.UNKNOWN,
            provider_status=("transmogrified", "w<b>", "transmogrified")[number],
        )
        for number in range(3)
    ]
    text = PageParser(render_page(build_test_report([*unknown, build_recording(3)]))).text
    assert "The status of 3 recordings is not supported yet" in text
    assert text.count("acme sends “transmogrified” and “w<b>”.") == 1
    assert (
        "not supported yet"
        not in PageParser(render_page(build_test_report([build_recording()]))).text
    )


def test_failed_and_expiring_recordings_are_named_with_their_accounts() -> None:
    rows = [
        build_recording(0, status=rec.RecordingStatus.FAILED),
        build_recording(1, media_expires_at=NOW + timedelta(days=2)),
        build_recording(2, media_expires_at=NOW + timedelta(days=2), account="eu"),
    ]
    text = PageParser(render_page(build_test_report(rows))).text
    assert "1 recording failed: 1 at acme." in text
    assert "2 recordings will lose their media soon: 1 at acme and 1 at acme · eu." in text


def test_each_status_is_counted_with_its_share() -> None:
    text = PageParser(render_page(build_test_report(map(build_varied_recording, range(110))))).text
    for status, words in MEANINGS.items():
        assert (f"{status} {words} 10 9.1 %" in text) is (status != NO_FILE)


def test_available_excludes_what_has_no_file() -> None:
    recordings = [build_recording(number, files=()) for number in range(3)]
    parsed = PageParser(render_page(build_test_report([*recordings, build_recording(9)])))
    assert "available can be downloaded now 1 25 %" in parsed.text
    assert f"{NO_FILE} {MEANINGS[NO_FILE]} 3 75 %" in parsed.text
    segments = [attrs.get("class") for tag, attrs in parsed.tags if tag == "rect" and "x" in attrs]
    assert segments.count("f-nofile") == 3
    assert segments.count("f-available") == 1


def test_a_storage_cost_that_is_known_in_part_is_no_main_figure() -> None:
    known = [build_recording(number, size=10**9) for number in range(3)]
    text = PageParser(render_page(build_test_report(known))).text
    assert "Storage cost 6.00 USD per month" in text
    text = PageParser(render_page(build_test_report([*known, build_recording(9)]))).text
    assert "Storage cost 6.00" not in text
    assert "6.00 of 3" in text


def test_what_needs_attention_has_its_recordings_a_csv_and_the_next_command() -> None:
    failed = [
        build_recording(number, status=rec.RecordingStatus.FAILED, error=f"=1+2 {SIGNED}")
        for number in range(34)
    ]
    since = NOW - timedelta(days=100)
    parsed = PageParser(render_page(build_test_report(failed, since=since)))
    command = "recordings list acme --account default --failed --since 2026-02-21T12:00:00Z"
    assert f"Next: {command}" in parsed.text
    assert "The first 20 recordings" in parsed.text
    heading, *rows = parsed.tables[0]
    assert heading == [
        "Recording",
        "Account",
        "Session",
        "Created (UTC)",
        "Media expires (UTC)",
    ]
    assert len(rows) == 20
    assert rows[0][:2] == ["r0", "acme"]
    [link] = [attrs for tag, attrs in parsed.tags if tag == "a" and "download" in attrs]
    assert link["download"] == "failed.csv"
    data = b64decode((link["href"] or "").removeprefix("data:text/csv;charset=utf-8;base64,"))
    lines = list(csv.DictReader(io.StringIO(data.decode())))
    assert [each["recording_id"] for each in lines] == [f"r{number}" for number in range(34)]
    assert lines[0]["error"] == "'=1+2 https://media.example/a.mp3?***"


def test_days_with_a_missing_account_are_marked() -> None:
    gap = plugin.Window(NOW - timedelta(days=3), NOW - timedelta(days=2))
    found = build_test_timeline(
        [(date(2026, 5, 25), "available", 1)], gaps={"other": [gap], "eu": [plugin.Window()]}
    )
    marked = [step.label.replace("\N{NO-BREAK SPACE}", " ") for step in found.steps]
    marked = [
        label for label, step in zip(marked, found.steps, strict=True) if "other" in step.missing
    ]
    assert marked == ["29 May", "30 May"]
    assert all("eu" in step.missing for step in found.steps)
    report = build_test_report(
        map(build_recording, range(9)),
        build_coverage(),
        evolve(build_coverage("other", complete=False), gaps=(gap,)),
    )
    parsed = PageParser(render_page(report))
    assert "Friday 29 May 2026: not all recordings of other" in parsed.text.replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert "Next: recordings doctor other --account default" in parsed.text


def test_every_heading_of_a_time_names_the_zone() -> None:
    report = build_test_report([build_recording()], by=("day", "started_at"))
    parsed = PageParser(render_page(report))
    assert parsed.tables[-1][0][:2] == ["DayUTC", "Started atUTC"]
    assert parsed.tables[0][0][0] == "Day (UTC)"
    assert "Recordings by day (UTC)" in parsed.text


def test_times_are_in_the_requested_zone() -> None:
    report = build_test_report([build_recording()], since=NOW - timedelta(days=90), tz="Asia/Tokyo")
    text = PageParser(render_page(report)).text
    assert "From 3 Mar 2026, 21:00 to 1 Jun 2026, 21:00" in text
    assert "Times in Asia/Tokyo" in text


# -- any size -------------------------------------------------------------------------------------


def test_an_empty_report_renders() -> None:
    text = PageParser(render_page(build_test_report([]))).text
    assert "No recordings were found." in text


def test_a_report_without_accounts_renders() -> None:
    report = evolve(build_test_report([]), coverage=())
    assert "No account in this report" in PageParser(render_page(report)).text


def test_a_report_with_one_row_has_no_total() -> None:
    [row] = read_table(build_test_report([build_recording()]))
    assert row["Recordings"] == "1"


def test_undated_recordings_are_counted() -> None:
    undated = build_recording(started_at=None, ended_at=None, created_at=None, duration=None)
    text = PageParser(render_page(build_test_report([undated]))).text
    assert "1 recording without a date, 1 at acme" in text
    assert "Recordings by day" not in text
    both = PageParser(render_page(build_test_report([undated, build_recording(1)]))).text
    assert "Recordings without a date, which are in no column: 1." in both


def test_a_page_of_ten_thousand_rows_is_small_and_its_total_is_complete() -> None:
    report = build_test_report(
        (
            build_recording(number, size=1000, provider_status=f"w{number}")
            for number in range(10_000)
        ),
        by=("provider", "account", "provider_status"),
    )
    assert len(report.rows) == 10_000
    html = render_page(report)
    assert len(html) < 2_000_000
    *shown, remainder, total = PageParser(html).tables[-1][1:]
    assert len(shown) == 1_000
    assert remainder[0] == "9,000\xa0further rows together"
    assert (remainder[3], remainder[5]) == ("9,000", "9.0\xa0MB")
    assert total[3] == "10,000"


def test_the_page_supports_dark_mode_phones_and_print() -> None:
    html = render_page(build_test_report([build_recording()]))
    assert '<meta name="color-scheme" content="light dark">' in html
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    for query in ("(prefers-color-scheme: dark)", "(max-width: 640px)", "@media print"):
        assert query in html


def test_every_chart_has_a_description_and_every_table_headings() -> None:
    parsed = PageParser(
        render_page(
            build_test_report(map(build_varied_recording, range(300)), by=("provider", "day"))
        )
    )
    ids = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    for tag, attrs in parsed.tags:
        if tag == "svg":
            assert attrs.get("aria-hidden") == "true" or attrs.get("role") == "img"
        if tag == "th":
            assert attrs.get("scope") in ("col", "row")
        for named in (attrs.get("aria-labelledby") or "").split():
            assert named in ids
        pattern = re.fullmatch(r"url\(#(.*)\)", attrs.get("fill") or "")
        assert pattern is None or pattern[1] in ids


# -- the chart by time ----------------------------------------------------------------------------


def build_test_timeline(
    days: Iterable[tuple[date | None, str, int]],
    since: datetime | None = None,
    until: datetime = NOW,
    tz: str = "UTC",
    gaps: Mapping[str, Sequence[plugin.Window]] = MappingProxyType({}),
) -> Timeline:
    times = [
        {
            "day": day.isoformat() if day else None,
            "status": status,
            "recordings": count,
            "without_media": 0,
        }
        for day, status, count in days
    ]
    found = build_timeline(Overview([], times, "day"), since, until, ZoneInfo(tz), gaps)
    assert found is not None
    return found


def test_a_quarter_is_shown_by_day_including_empty_days() -> None:
    found = build_test_timeline(
        [(date(2026, 5, 1), "available", 3)], since=NOW - timedelta(days=90)
    )
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
def test_a_longer_period_is_shown_in_longer_steps(first: date, unit: str, steps: int) -> None:
    found = build_test_timeline([(first, "available", 1), (NOW.date(), "failed", 2)])
    assert (found.unit, len(found.steps)) == (unit, steps)


def test_a_window_longer_than_its_recordings_does_not_lengthen_the_steps() -> None:
    found = build_test_timeline(
        [(date(2026, 5, 1), "available", 1)], since=datetime(1990, 1, 1, tzinfo=UTC)
    )
    assert found.unit == "day"


def test_the_repeated_hour_in_autumn_is_two_columns() -> None:
    start = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    report = build_test_report(
        [
            build_recording(number, created_at=start + timedelta(hours=number))
            for number in range(3)
        ],
        by=("hour",),
        tz="Europe/Berlin",
    )
    found = build_timeline(report.overview, None, NOW, ZoneInfo("Europe/Berlin"))
    assert found is not None
    assert [step.label for step in found.steps] == ["02:00", "02:00", "03:00"]
    assert [step.recordings for step in found.steps] == [1, 1, 1]


DAYS = st.lists(
    st.tuples(
        st.none() | st.dates(),
        st.sampled_from([*(each.value for each in rec.RecordingStatus), "later_status"]),
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
def test_every_recording_is_in_one_column_and_every_column_is_within_the_chart(
    rows: list[tuple[date | None, str, int]], since: datetime | None, until: datetime, tz: str
) -> None:
    found = build_test_timeline(rows, since, until, tz)
    assert sum(step.recordings for step in found.steps) + found.undated == sum(
        count for _, _, count in rows
    )
    counts = Counter[str]()
    for day, status, count in rows:
        if day is not None:
            counts[find_status_group(status).name] += count
    for group in STATUS_GROUPS:
        assert sum(step.counts.get(group.name, 0) for step in found.steps) == counts[group.name]
    assert len(found.steps) <= MAX_STEPS or found.unit == "year"
    chart = charts.build_stacked_chart(found.steps)
    assert len(chart["columns"]) == len(found.steps)
    for column, after in pairwise(chart["columns"]):
        end = parse_percent(column["x"]) + parse_percent(column["width"])
        assert end <= parse_percent(after["x"]) + 1e-2
    for column in chart["columns"]:
        assert parse_percent(column["x"]) + parse_percent(column["width"]) <= 100.01
        bottom = 100.0
        for segment in column["segments"]:
            y, height = parse_percent(segment["y"]), parse_percent(segment["height"])
            assert y + height == pytest.approx(bottom, abs=0.01)
            bottom = y
        assert bottom >= 0


def parse_percent(percent: str) -> float:
    return float(percent.removesuffix("%"))


# -- number format --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formatted", "expected"),
    [
        (number_format.format_size(0), "0 B"),
        (number_format.format_size(999), "999 B"),
        (number_format.format_size(999_960), "1.0 MB"),
        (number_format.format_size(1_234_567_890_123_456_789), "1,234.6 PB"),
        (number_format.format_length(0.4), "0:00"),
        (number_format.format_length(3_723), "1:02:03"),
        (number_format.format_length(9e12), "2,500,000,000:00:00"),
        (number_format.format_percent(0, 5), "0 %"),
        (number_format.format_percent(1, 100_000), "< 0.1 %"),
        (number_format.format_percent(99_999, 100_000), "> 99.9 %"),
        (number_format.format_percent(0, 0), "–"),
        (number_format.format_hundredths(0.0), "0.00"),
        (number_format.format_hundredths(0.001), "< 0.01"),
        (number_format.join_words(["a", "b", "c"]), "a, b and c"),
        (number_format.join_words([]), ""),
        (number_format.format_count(1, "row"), "1 row"),
    ],
)
def test_numbers_are_formatted_for_people(formatted: str, expected: str) -> None:
    assert formatted.replace("\xa0", " ") == expected


@pytest.mark.parametrize(
    ("since", "until", "expected"),
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
def test_a_period_is_formatted_by_its_first_and_last_day(
    since: datetime | None, until: datetime | None, expected: str
) -> None:
    assert number_format.format_period(since, until, NOW, UTC).replace("\xa0", " ") == expected
