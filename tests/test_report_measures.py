"""The measures of a report, against plain Python on random rows and against counts by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

import recording_core as rec
from recording_audian import mapping as audian
from recording_core import plugin
from recording_core.listing.row_schema import COLUMNS, build_arrow_schema
from recording_core.reporting.compute import aggregation, engines
from recording_core.reporting.compute.aggregation import compute_measures
from recording_core.reporting.compute.engines import DuckDB
from recording_core.reporting.compute.measures import MEASURE_NAMES, MEASURES
from recording_core.reporting.compute.prices import Prices, load_published_prices, read_price_table
from recording_plivo import mapping as plivo
from recording_realtimekit import mapping as realtimekit
from recording_voipbin import mapping as voipbin

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PRICES = Prices(
    {
        "acme": plugin.StoragePrice(per_minute_month=0.0004, free_days=90),
        "bell": plugin.StoragePrice(per_gb_month=0.023),
    }
)


# -- the same measures in plain Python ------------------------------------------------------------


def get_status(recording: rec.Recording, now: datetime) -> str:
    expires = recording.media_expires_at
    if recording.status == "available" and expires is not None and expires <= now:
        return "expired"
    return str(recording.status)


def get_time(recording: rec.Recording) -> datetime | None:
    return recording.created_at or recording.started_at


def get_group(recording: rec.Recording, name: str, zone: ZoneInfo, now: datetime) -> Any:
    time = get_time(recording)
    local = time.astimezone(zone) if time is not None else None
    if name in ("hour", "day", "week", "month"):
        if local is None:
            return None
        return {
            "hour": f"{local:%Y-%m-%dT%H:00}{local.isoformat()[-6:]}",
            "day": f"{local:%Y-%m-%d}",
            "week": f"{local.date() - timedelta(days=local.weekday()):%Y-%m-%d}",
            "month": f"{local:%Y-%m}",
        }[name]
    if name == "status":
        return get_status(recording, now)
    return getattr(recording, {"recording_id": "id"}.get(name, name))


def compute_quantile(values: list[float], share: float) -> float | None:
    if not values:
        return None
    values = sorted(values)
    place = (len(values) - 1) * share
    low, high = math.floor(place), math.ceil(place)
    return values[low] + (values[high] - values[low]) * (place - low)


def compute_peak(group: Sequence[rec.Recording]) -> tuple[int | None, datetime | None, int]:
    spans = [
        (each.started_at, each.ended_at)
        for each in group
        if each.started_at and each.ended_at and each.started_at <= each.ended_at
    ]
    if not spans:
        return None, None, 0
    running = {moment: sum(start <= moment < end for start, end in spans) for moment, _ in spans}
    highest = max(running.values())
    first = min(moment for moment, count in running.items() if count == highest)
    return highest, first if highest else None, len(spans)


def compute_cost(recording: rec.Recording, prices: Prices, now: datetime) -> float | None:
    price, status = prices.of.get(recording.provider), get_status(recording, now)
    if price is None or status == "unknown":
        return None
    if status != "available":
        return 0.0
    time = get_time(recording)
    if price.free_days:
        if time is None:
            return None
        if now - time < price.free_days * DAY:
            return 0.0
    if price.per_minute_month is not None:
        length = recording.duration
        return None if length is None else length / timedelta(minutes=1) * price.per_minute_month
    assert price.per_gb_month is not None
    return None if recording.size is None else recording.size / 1e9 * price.per_gb_month


def compute_expected(
    recordings: Iterable[rec.Recording],
    by: Sequence[str],
    tz: str = "UTC",
    now: datetime = NOW,
    expiring: timedelta = 7 * DAY,
    prices: Prices = PRICES,
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Compute group -> measure -> value, without the library's reporting."""
    groups: dict[tuple[Any, ...], list[rec.Recording]] = {}
    for each in recordings:
        key = tuple(get_group(each, name, ZoneInfo(tz), now) for name in by)
        groups.setdefault(key, []).append(each)
    return {key: compute_group(group, now, expiring, prices) for key, group in groups.items()}


def compute_group(
    group: list[rec.Recording], now: datetime, expiring: timedelta, prices: Prices
) -> dict[str, Any]:
    lengths = [each.duration for each in group if each.duration is not None]
    sizes = [each.size for each in group if each.size is not None]
    costs = [found for each in group if (found := compute_cost(each, prices, now)) is not None]
    statuses = [get_status(each, now) for each in group]
    available = [each for each in group if get_status(each, now) == "available"]
    highest, first, known = compute_peak(group)
    seconds = sum(lengths, timedelta()).total_seconds() if lengths else None
    return {
        "recordings": len(group),
        "seconds": seconds,
        "seconds_known": len(lengths),
        "hours": None if seconds is None else seconds / 3600,
        "bytes": sum(sizes) if sizes else None,
        "bytes_known": len(sizes),
        "seconds_median": compute_quantile([each.total_seconds() for each in lengths], 0.5),
        "seconds_p95": compute_quantile([each.total_seconds() for each in lengths], 0.95),
        "failed": statuses.count("failed"),
        "empty": statuses.count("empty"),
        "unknown": statuses.count("unknown"),
        "unknown_words": sorted(
            {
                each.provider_status
                for each in group
                if each.status == "unknown" and each.provider_status is not None
            }
        ),
        "without_media": sum(not each.files for each in available),
        "expiring": sum(
            each.media_expires_at is not None and each.media_expires_at < now + expiring
            for each in available
        ),
        "nearest_expiry": min(
            (each.media_expires_at for each in available if each.media_expires_at), default=None
        ),
        "undated": sum(get_time(each) is None for each in group),
        "peak_concurrency": highest,
        "peak_at": first,
        "peak_known": known,
        "cost": math.fsum(costs) if costs else None,
        "cost_known": len(costs),
    }


def assert_equal(
    found: pa.Table, expected: dict[tuple[Any, ...], dict[str, Any]], by: Sequence[str]
) -> None:
    rows = {tuple(row.pop(name) for name in by): row for row in found.to_pylist()}
    assert len(rows) == found.num_rows, "a group appears twice"
    assert rows.keys() == expected.keys()
    for key, row in rows.items():
        for name, value in row.items():
            wanted = expected[key][name]
            if isinstance(wanted, float):
                wanted = pytest.approx(wanted, rel=1e-12, abs=1e-9)
            assert value == wanted, f"{name} of {key}"


# -- random rows ----------------------------------------------------------------------------------

#: Zones with different rules: whole hours, an offset of half an hour, of three quarters, half an
#: hour of summer time, a change at midnight, and a skipped day.
ZONES = {
    "UTC": datetime(2026, 2, 28, 23, tzinfo=UTC),
    "Europe/Berlin": datetime(2026, 10, 25, 1, tzinfo=UTC),
    "America/St_Johns": datetime(2026, 3, 8, 5, 30, tzinfo=UTC),
    "Asia/Kathmandu": datetime(2026, 3, 31, 18, 15, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2026, 4, 4, 15, tzinfo=UTC),
    "America/Santiago": datetime(2026, 9, 6, 4, tzinfo=UTC),
    "Pacific/Apia": datetime(2011, 12, 30, 10, tzinfo=UTC),
}
near = st.one_of(
    st.integers(-7200, 7200).map(lambda number: timedelta(seconds=number)),
    st.integers(-40 * 86_400_000_000, 40 * 86_400_000_000).map(
        lambda number: timedelta(microseconds=number)
    ),
    st.sampled_from([timedelta(0), timedelta(microseconds=-1), timedelta(minutes=30)]),
)
statuses = st.sampled_from([*rec.RecordingStatus, rec.RecordingStatus.AVAILABLE])
lengths = st.one_of(
    st.integers(0, 7_200_000).map(lambda number: timedelta(milliseconds=number)),
    st.integers(0, 10_000_000).map(lambda number: timedelta(microseconds=number)),
    st.sampled_from([timedelta(0), timedelta(days=3 * 365)]),
)


@st.composite
def draw_recording(draw: st.DrawFn, around: datetime) -> rec.Recording:
    def maybe(strategy: st.SearchStrategy[Any]) -> Any:
        return draw(strategy) if draw(st.integers(0, 4)) else None

    started = maybe(near)
    started_at = around + started if started is not None else None
    length = maybe(lengths)
    ended_at = started_at + length if started_at is not None and length is not None else None
    if draw(st.integers(0, 5)) == 0:
        ended_at = around + draw(near)
    created = maybe(near)
    return rec.Recording(
        provider=draw(st.sampled_from(["acme", "bell", "cisco"])),
        account=draw(st.sampled_from(["default", "emea"])),
        id=str(draw(st.integers(0, 9))),
        status=draw(statuses),
        provider_status=maybe(st.sampled_from(["DONE", "done", "Ärger", "z"])),
        started_at=started_at,
        ended_at=ended_at,
        created_at=around + created if created is not None else None,
        duration=maybe(lengths),
        size=maybe(st.integers(0, 1 << 40)),
        format=maybe(st.sampled_from(["mp3", "wav"])),
        channels=maybe(st.integers(1, 2)),
        files=(rec.MediaFile("mix", rec.FileRole.MIX),) * draw(st.integers(0, 2)),
        media_expires_at=maybe(
            st.sampled_from([NOW, NOW - DAY, NOW + DAY, NOW + 7 * DAY, NOW + 8 * DAY])
        ),
    )


@st.composite
def draw_question(draw: st.DrawFn) -> tuple[str, list[rec.Recording], tuple[str, ...]]:
    tz = draw(st.sampled_from(sorted(ZONES)))
    rows = draw(st.lists(draw_recording(ZONES[tz]), max_size=30))
    groupings = ["hour", "day", "week", "month", "provider", "status", "channels", "format"]
    by = draw(st.lists(st.sampled_from(groupings), unique=True, min_size=1, max_size=3))
    return tz, rows, tuple(by)


@settings(deadline=None, max_examples=30)
@given(draw_question())
def test_every_measure_equals_that_of_plain_python(
    question: tuple[str, list[rec.Recording], tuple[str, ...]],
) -> None:
    tz, rows, by = question
    assert_equal(
        compute_measures(rec.rows(rows), by=by, tz=tz, now=NOW, prices=PRICES),
        compute_expected(rows, by, tz),
        by,
    )


@settings(deadline=None, max_examples=8)
@given(st.lists(draw_recording(ZONES["Europe/Berlin"]), max_size=30), near, near)
def test_a_window_is_half_open_and_uses_creation_else_start(
    rows: list[rec.Recording], early: timedelta, late: timedelta
) -> None:
    since, until = sorted(ZONES["Europe/Berlin"] + each for each in (early, late))
    if since == until:
        return
    inside = [each for each in rows if (time := get_time(each)) is None or since <= time < until]
    found = compute_measures(
        rec.rows(rows), by=("account",), since=since, until=until, now=NOW, prices=PRICES
    )
    assert_equal(found, compute_expected(inside, ("account",)), ("account",))


@settings(deadline=None, max_examples=10)
@given(draw_question())
def test_pruned_peaks_equal_those_of_all_rows(
    question: tuple[str, list[rec.Recording], tuple[str, ...]],
) -> None:
    _, rows, _ = question
    rows *= 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aggregation, "MIN_ROWS_PER_MINUTE", 0)
        patch.setattr(aggregation, "compute_peaks", None)  # only the pruned peaks are used
        found = compute_measures(rec.rows(rows), by=("provider",), now=NOW, prices=PRICES)
    assert_equal(found, compute_expected(rows, ("provider",)), ("provider",))


@pytest.mark.long
@settings(deadline=None, max_examples=8)
@given(draw_question(), st.sampled_from(["hour", "day", "week", "month"]))
def test_rows_split_into_parts_for_memory_give_the_same_measures(
    question: tuple[str, list[rec.Recording], tuple[str, ...]], grouping: str
) -> None:
    tz, rows, _ = question
    by = ("status", grouping)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "recording_core.reporting.compute.engines._BYTES_PER_ROW", 1 << 50
        )  # one row at a time
        found = compute_measures(rec.rows(rows), by=by, tz=tz, now=NOW, prices=PRICES)
    assert_equal(found, compute_expected(rows, by, tz), by)


# -- zones and calendars, by hand -----------------------------------------------------------------


def build_recordings(*times: str) -> list[rec.Recording]:
    return [
        rec.Recording("acme", "a", str(number), created_at=datetime.fromisoformat(time))
        for number, time in enumerate(times)
    ]


def count_by(
    rows: Iterable[rec.Recording], by: str, tz: str = "UTC", **more: Any
) -> dict[str | None, int]:
    found = compute_measures(rec.rows(rows), by=by, tz=tz, now=NOW, **more).to_pylist()
    return {row[by]: row["recordings"] for row in found}


def test_the_repeated_hour_in_autumn_is_two_groups() -> None:
    rows = build_recordings("2026-10-24T23:59:59.999999Z", "2026-10-25T00:30Z", "2026-10-25T01:30Z")
    assert count_by(rows, "hour", "Europe/Berlin") == {
        "2026-10-25T01:00+02:00": 1,
        "2026-10-25T02:00+02:00": 1,
        "2026-10-25T02:00+01:00": 1,
    }


def test_a_clock_change_by_half_an_hour_makes_two_groups_of_one_hour() -> None:
    rows = build_recordings("2026-04-04T14:05Z", "2026-04-04T14:59:59.999999Z", "2026-04-04T15:00Z")
    assert count_by(rows, "hour", "Australia/Lord_Howe") == {
        "2026-04-05T01:00+11:00": 2,
        "2026-04-05T01:00+10:30": 1,
    }


def test_days_weeks_and_months_begin_at_local_midnight() -> None:
    rows = build_recordings("2026-03-31T18:14:59.999999Z", "2026-03-31T18:15Z")
    assert count_by(rows, "day", "Asia/Kathmandu") == {"2026-03-31": 1, "2026-04-01": 1}
    assert count_by(rows, "month", "Asia/Kathmandu") == {"2026-03": 1, "2026-04": 1}
    rows = build_recordings("2026-03-29T21:59:59Z", "2026-03-29T22:00Z")
    assert count_by(rows, "week", "Europe/Berlin") == {"2026-03-23": 1, "2026-03-30": 1}


def test_extreme_years_are_grouped_by_the_right_date() -> None:
    rows = build_recordings(
        "0001-01-01T00:00Z", "1899-12-31T23:30Z", "1969-12-31T23:30Z", "9999-12-31T23:30Z"
    )
    assert count_by(rows, "day", "Europe/Berlin") == {
        "0001-01-01": 1,
        "1899-12-31": 1,
        "1970-01-01": 1,
        "9999-12-31": 1,
    }
    assert list(count_by(rows, "month")) == ["0001-01", "1899-12", "1969-12", "9999-12"]
    assert list(count_by(rows, "week")) == ["0001-01-01", "1899-12-25", "1969-12-29", "9999-12-27"]


def test_groups_are_sorted_by_time_with_the_undated_last() -> None:
    rows = [
        *build_recordings("2026-10-25T01:30Z", "2026-10-25T00:30Z"),
        rec.Recording("acme", "a", "x"),
    ]
    assert list(count_by(rows, "hour", "Europe/Berlin")) == [
        "2026-10-25T02:00+02:00",
        "2026-10-25T02:00+01:00",
        None,
    ]


def test_undated_rows_are_in_every_window_and_are_counted() -> None:
    rows = [rec.Recording("acme", "a", "x"), *build_recordings("2026-01-01T00:00Z")]
    [row] = compute_measures(
        rec.rows(rows), by=(), since=datetime(2026, 2, 1, tzinfo=UTC), now=NOW
    ).to_pylist()
    assert (row["recordings"], row["undated"]) == (1, 1)


def test_a_window_includes_its_start_and_excludes_its_end() -> None:
    rows = build_recordings("2026-01-01T00:00Z", "2026-01-31T23:59:59.999999Z", "2026-02-01T00:00Z")
    since, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    assert count_by(rows, "month", since=since, until=until) == {"2026-01": 2}
    assert count_by(rows, "month", since=until) == {"2026-02": 1}


def test_parts_contain_each_row_once_including_undated_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("recording_core.reporting.compute.engines._BYTES_PER_ROW", 1 << 50)
    days = [f"2026-01-{day:02d}" for day in range(1, 11)]
    rows = [
        *build_recordings(*(f"{day}T12:00Z" for day in days)),
        rec.Recording("acme", "a", "x"),
    ] * 2
    wanted: dict[str | None, int] = dict.fromkeys([*days, None], 2)
    assert count_by(rows, "day") == wanted


# -- single measures, by hand ---------------------------------------------------------------------


def build_span(start: float, end: float, number: int = 0) -> rec.Recording:
    return rec.Recording(
        "acme",
        "a",
        str(number),
        started_at=NOW + timedelta(seconds=start),
        ended_at=NOW + timedelta(seconds=end),
    )


@pytest.mark.parametrize(
    ("spans", "highest", "second"),
    [
        ([(0, 10), (10, 20)], 1, 0),  # the second starts when the first ends
        ([(0, 10), (5, 15), (9, 11)], 3, 9),
        ([(0, 10), (5, 15), (20, 30), (25, 26)], 2, 5),  # reached twice: the first time is reported
        ([(0, 0), (0, 0)], 0, None),  # ends when it starts
        ([(0, 10), (5, 5)], 1, 0),
        ([(0, 90), (5, 95)], 2, 5),  # into the next minute
        ([(0, 10), (9, 3)], 1, 0),  # ends before it starts: unknown
        ([(0, 3 * 365 * 86_400), (86_400, 86_401)], 2, 86_400),
    ],
)
@pytest.mark.parametrize("prune", [0, 1 << 40])
def test_the_peak_and_the_time_when_it_was_first_reached(
    spans: list[tuple[int, int]],
    highest: int,
    second: int | None,
    prune: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aggregation, "MIN_ROWS_PER_MINUTE", prune)
    [row] = compute_measures(rec.rows(build_span(*each) for each in spans), by=()).to_pylist()
    assert row["peak_concurrency"] == highest
    assert row["peak_at"] == (None if second is None else NOW + timedelta(seconds=second))
    assert row["peak_known"] == sum(start <= end for start, end in spans)


def test_a_sum_without_known_values_is_null_and_its_known_count_is_0() -> None:
    [row] = compute_measures(rec.rows([rec.Recording("acme", "a", "x")] * 3)).to_pylist()
    for name in ("seconds", "hours", "bytes", "seconds_median", "peak_concurrency", "cost"):
        assert row[name] is None
    for name in ("seconds_known", "bytes_known", "peak_known", "cost_known"):
        assert row[name] == 0
    assert row["recordings"] == 3


def test_no_rows_give_no_groups_and_one_total() -> None:
    assert compute_measures(rec.rows([])).num_rows == 0
    [row] = compute_measures([], by=()).to_pylist()
    assert (row["recordings"], row["seconds"], row["unknown_words"]) == (0, None, [])


def test_an_available_recording_with_expired_media_is_reported_as_expired() -> None:
    recording = rec.Recording(
        "acme", "a", "x", status=rec.RecordingStatus.AVAILABLE, media_expires_at=NOW
    )
    before = compute_measures(
        rec.rows([recording]), by="status", now=NOW - timedelta(microseconds=1)
    )
    after = compute_measures(rec.rows([recording]), by="status", now=NOW)
    assert [(row["status"], row["expiring"], row["without_media"]) for row in before.to_pylist()] \
        == [("available", 1, 1)]  # fmt: skip
    assert [(row["status"], row["expiring"], row["without_media"]) for row in after.to_pylist()] \
        == [("expired", 0, 0)]  # fmt: skip


def test_extreme_durations_are_clipped() -> None:
    long = rec.Recording("acme", "a", "x", duration=timedelta.max)
    [row] = compute_measures(rec.rows([long]), by=()).to_pylist()
    assert row["seconds_median"] == timedelta.max.total_seconds()
    assert row["seconds"] == 9e12


def test_a_grouping_column_with_the_name_of_a_measure_replaces_it() -> None:
    rows = [rec.Recording("acme", "a", str(size), size=size) for size in (1, 1, 2)]
    table = compute_measures(rec.rows(rows), by="bytes")
    assert table.column_names.count("bytes") == 1
    assert [(row["bytes"], row["recordings"]) for row in table.to_pylist()] == [(1, 2), (2, 1)]


def test_every_column_can_be_grouped_by() -> None:
    for column in COLUMNS:
        table = compute_measures(rec.rows([build_span(0, 10)]), by=column.name)
        assert table.num_rows == 1
        assert table.schema.field(column.name).type == build_arrow_schema().field(column.name).type


def test_a_column_of_a_plugin_can_be_grouped_by() -> None:
    centre = plugin.Column("cost_centre", "text", "x", lambda each: each.account.upper())
    table = compute_measures(rec.rows([build_span(0, 10)], columns=[centre]), by="cost_centre,day")
    assert table.column("cost_centre").to_pylist() == ["A"]


def test_the_table_has_the_groups_and_then_all_measures() -> None:
    table = compute_measures(rec.rows([build_span(0, 10)]), by="provider,day")
    assert table.column_names == ["provider", "day", *MEASURE_NAMES]
    assert len(set(MEASURE_NAMES)) == len(MEASURES)


# -- prices ---------------------------------------------------------------------------------------


def test_a_published_price_is_used_and_an_unknown_price_is_null() -> None:
    old = NOW - 91 * DAY
    rows = [
        rec.Recording(
            vendor, "a", "x", status=rec.RecordingStatus.AVAILABLE, created_at=old,
            duration=timedelta(minutes=57.6),
        )
        for vendor in rec.providers()
    ]  # fmt: skip
    found = compute_measures(rec.rows(rows), by="provider", now=NOW).to_pylist()
    assert {row["provider"]: (row["cost"], row["cost_known"]) for row in found} == {
        "audian": (None, 0),
        "plivo": (pytest.approx(0.02304), 1),  # the example on the vendor's page
        "realtimekit": (None, 0),
        "twilio": (pytest.approx(0.0288), 1),
        "voipbin": (None, 0),
    }


def test_a_cost_is_as_exact_as_its_amount() -> None:
    one = rec.Recording(
        "acme", "a", "1", status=rec.RecordingStatus.AVAILABLE, created_at=NOW - 100 * DAY,
        duration=timedelta(seconds=205.5), size=10**9,
    )  # fmt: skip
    rows = [one, *(evolve(one, provider="bell", id=str(number)) for number in range(12))]
    found = compute_measures(rec.rows(rows), now=NOW, prices=PRICES, only=("cost",)).to_pylist()
    assert {row["provider"]: row["cost"] for row in found} == {"acme": 0.00137, "bell": 0.276}


@pytest.mark.parametrize("rows", [[], build_recordings("2026-06-01T00:00Z", "2026-06-02T00:00Z")])
def test_rows_without_a_price_have_one_total(rows: list[rec.Recording]) -> None:
    found = compute_measures(
        rec.rows(rows), by=(), now=NOW, prices=Prices(), only=("cost", "cost_known")
    )
    assert found.to_pylist() == [{"cost": None, "cost_known": 0}]


def test_a_price_table_overrides_published_prices(tmp_path: Path) -> None:
    table = tmp_path / "prices.toml"
    table.write_text(
        "[plivo]\nper_minute_month = 0.001\n[voipbin]\nper_gb_month = 0.02\nfree_days = 3\n"
    )
    prices = read_price_table(table)
    assert prices.of["plivo"] == plugin.StoragePrice(per_minute_month=0.001)
    assert prices.of["voipbin"] == plugin.StoragePrice(per_gb_month=0.02, free_days=3)
    assert prices.currency == "USD"


def test_published_prices_are_not_converted_into_another_currency(tmp_path: Path) -> None:
    table = tmp_path / "prices.toml"
    table.write_text('currency = "EUR"\n[voipbin]\nper_gb_month = 0.02\n')
    assert list(read_price_table(table).of) == ["voipbin"]
    assert "plivo" in load_published_prices().of


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plivo = 3", r"\[plivo\] must be a table"),
        ("[plivo]\nper_hour = 3", r"\[plivo\] has 'per_hour'; possible are per_minute_month"),
        ("[plivo]\nper_gb_month = '3'", r"\[plivo\] per_gb_month must be a number"),
        ("[plivo]\nper_gb_month = -1", r"per_gb_month must be 0 or more"),
        ("[plivo]\nper_gb_month = nan", r"per_gb_month must be 0 or more"),
        ("[plivo]\nfree_days = 3", r"\[plivo\] give exactly one of per_minute_month"),
        ("[plivo]\nper_gb_month = 1\nper_minute_month = 1", r"give exactly one of"),
        ("[plivo]\nper_gb_month = 1\nfree_days = 1.5", r"free_days must be a whole number"),
        ("currency = 'dollars'", "currency must be a code of three letters"),
        ("[plivo", "cannot be read"),
    ],
)
def test_an_invalid_price_table_raises(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "prices.toml"
    table.write_text(text)
    with pytest.raises(rec.ConfigurationError, match=message) as raised:
        read_price_table(table)
    assert "prices.toml" in str(raised.value)


# -- wrong arguments ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tz": "Mars/Olympus"}, "no time zone is named 'Mars/Olympus'.*Europe/Berlin"),
        ({"tz": "../etc/passwd"}, "no time zone is named"),
        ({"tz": ""}, "no time zone is named ''"),
        ({"by": "vendor"}, "cannot group by 'vendor'; possible are hour, day, .*provider"),
        ({"by": "provider,provider"}, "names a grouping twice"),
        ({"since": NOW, "until": NOW}, "the window is empty"),
        ({"since": NOW, "until": NOW - DAY}, "the window is empty: give an earlier since"),
        ({"since": datetime(2026, 1, 1)}, "since must be aware"),  # noqa: DTZ001
        ({"expiring": -DAY}, "expiring must be 0 days or more"),
        ({"engine": "oracle"}, "no engine is named 'oracle'; possible are duckdb, spark"),
    ],
)
def test_wrong_arguments_raise_with_the_possible_values(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        compute_measures(rec.rows([build_span(0, 10)]), **arguments)


# -- files ----------------------------------------------------------------------------------------


def write_rows(path: Path, rows: Iterable[rec.Recording], **more: Any) -> str:
    parquet.write_table(pa.table(rec.rows(rows, **more)), path)
    return str(path)


def test_several_files_are_read_by_address_as_one_table(tmp_path: Path) -> None:
    import fsspec

    paths = [
        write_rows(tmp_path / "a.parquet", [build_span(0, 10)]),
        write_rows(tmp_path / "it's [b].parquet", [build_span(5, 10)]),
        "memory://report/c.parquet",
    ]
    with fsspec.open(paths[2], "wb") as file:
        parquet.write_table(pa.table(rec.rows([build_span(6, 10)])), file)
    [row] = compute_measures(paths, by=()).to_pylist()
    assert (row["recordings"], row["peak_concurrency"]) == (3, 3)


def test_a_column_that_a_plugin_added_later_is_null_in_earlier_files(tmp_path: Path) -> None:
    centre = plugin.Column("cost_centre", "text", "x", lambda each: "c")
    paths = [
        write_rows(tmp_path / "a.parquet", [build_span(0, 10)]),
        write_rows(tmp_path / "b.parquet", [build_span(0, 10)], columns=[centre]),
    ]
    found = compute_measures(paths, by="cost_centre").to_pylist()
    assert [(row["cost_centre"], row["recordings"]) for row in found] == [("c", 1), (None, 1)]


def test_a_file_of_another_schema_or_truncated_is_named(tmp_path: Path) -> None:
    other, cut = tmp_path / "other.parquet", tmp_path / "cut.parquet"
    parquet.write_table(pa.table({"a": [1]}), other)
    write_rows(cut, [build_span(0, 10)])
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(rec.ConfigurationError, match=r"other\.parquet does not hold the rows"):
        compute_measures([str(other)])
    with pytest.raises(rec.StorageError, match=r"cut\.parquet cannot be read as Parquet"):
        compute_measures([str(cut)])
    with pytest.raises(rec.StorageError, match=r"gone\.parquet cannot be read"):
        compute_measures([str(tmp_path / "gone.parquet")])


def test_a_table_of_another_schema_raises() -> None:
    with pytest.raises(rec.ConfigurationError, match="the Arrow data does not hold the rows of"):
        compute_measures(pa.table({"a": [1]}))


def test_rows_that_do_not_fit_into_memory_raise_with_what_to_do(tmp_path: Path) -> None:
    rows = (
        rec.Recording("acme", "a", str(number), duration=timedelta(milliseconds=number))
        for number in range(60_000)
    )
    path = write_rows(tmp_path / "a.parquet", rows)
    with pytest.raises(rec.ConfigurationError, match=r"memory_limit.*raise it, group by day"):
        compute_measures([path], by="recording_id", engine=DuckDB({"memory_limit": "4MB"}))


@pytest.mark.parametrize(
    ("limit", "rows"),
    [
        ("1.0 GiB", 2**30 // 192),
        ("953.6 MiB", int(953.6 * 2**20 / 192)),
        ("0 bytes", 1),
        ("1638.3 PiB", None),
        ("9999999.0 TiB", None),
        ("12.5 EiB", None),
        ("unlimited", None),
        ("-1", None),
        ("nan GiB", None),
        ("inf TiB", None),
        ("1.0GiB", None),
        ("", None),
        (None, None),
    ],
)
def test_a_limit_of_memory_that_cannot_be_read_is_none(
    monkeypatch: pytest.MonkeyPatch, limit: str | None, rows: int | None
) -> None:
    """DuckDB writes it for people, in a container without a limit as some petabytes."""

    class Connection:
        def execute(self, sql: str) -> Connection:
            return self

        def fetchall(self) -> list[tuple[Any]]:
            return [(limit,)]

    assert engines._compute_max_rows(Connection()) == rows


def test_an_absurd_limit_of_memory_ends_no_report() -> None:
    table = rec.rows([build_span(0, 10)])
    result = compute_measures(table, by="day", engine=DuckDB({"memory_limit": "3000TiB"}))
    assert len(result) == 1


def test_computing_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    compute_measures(rec.rows([build_span(0, 10)]), by="provider,day", tz="Europe/Berlin")
    assert list(tmp_path.iterdir()) == []


# -- the vendors' own samples ---------------------------------------------------------------------

#: From the vendors' pages and official clients, with shortened ids.
AUDIAN_CALLS: list[dict[str, Any]] = [
    {
        "recording_id": "rec_abc123", "call_id": "call_xyz789", "duration": 305,
        "file_size": 1536000, "status": "completed", "created_at": "2024-01-15T10:35:10Z",
    },
    {
        "recording_id": "rec_abc124", "call_id": "call_xyz790", "duration": 125,
        "file_size": 640000, "status": "completed", "created_at": "2024-01-14T14:20:30Z",
    },
]  # fmt: skip
AUDIAN_CONFERENCE: dict[str, Any] = {
    "id": "rec_abc123def456", "conference_id": "conf_abc123def456", "name": "Team Standup - Feb 4",
    "status": "completed", "format": "wav", "duration": 1800, "size": 57600000,
    "started_at": "2024-02-04T11:30:00Z", "ended_at": "2024-02-04T12:00:00Z",
    "url": "https://api.audian.com:8443/v2/recordings/rec_abc123def456/download",
}  # fmt: skip
PLIVO: dict[str, Any] = {
    "add_time": "2022-04-12 16:08:53.523657+05:30", "call_uuid": "f72eea2a", "conference_name": "",
    "recording_duration_ms": "7560.00000", "recording_end_ms": "1649759930398.00000",
    "recording_format": "mp3", "recording_id": "d405c4eb", "recording_type": "call",
    "recording_start_ms": "1649759922838.00000",
    "recording_url": "https://media.plivo.com/v1/Account/MAZT/Recording/d405c4eb.mp3",
}  # fmt: skip
REALTIMEKIT: dict[str, Any] = {
    "id": "97cb480d", "audio_download_url": None, "status": "UPLOADED", "file_size": 2044680,
    "download_url": "https://bucket.example/x.mp4", "recording_duration": 1800,
    "download_url_expiry": "2026-06-10T10:30:00.000Z", "invoked_time": "2026-06-03T09:59:55.120Z",
    "output_file_name": "50c8940e_1780480795120.mp4", "session_id": "05e57591",
    "started_time": "2026-06-03T10:00:00.000Z", "stopped_time": "2026-06-03T10:30:00.000Z",
}  # fmt: skip
VOIPBIN: list[dict[str, Any]] = [
    {
        "id": "348d988b-2ac9-4702-84f0-ae81301ad349", "reference_type": "call", "status": "ended",
        "reference_id": "531bc6f4-c695-4c6d-a478-f28b88dfc2ca", "format": "wav",
        "tm_start": "2026-08-22T05:31:47.87Z", "tm_end": "2026-08-22T05:31:58.932Z",
        "tm_create": "2026-08-22T05:31:45.051136Z",
    },
    {
        "id": "348d988b-2ac9-4702-84f0-ae81301ad350", "type": "conference", "status": "recording",
        "reference_id": "531bc6f4-c695-4c6d-a478-f28b88dfc2ca", "format": "wav",
        "tm_start": "2021-01-28 09:16:58.076735", "tm_end": "9999-01-01 00:00:00.000000",
        "tm_create": "2021-01-28 09:16:57.5", "tm_delete": "9999-01-01 00:00:00.000000",
    },
]  # fmt: skip


@pytest.fixture
def samples() -> list[rec.Recording]:
    """The vendors' sample rows, read by their providers in the following September."""
    base = "https://api.audian.com:8443/v2"
    return [
        *(audian.read_recording(row, "default", base, LATER) for row in AUDIAN_CALLS),
        audian.read_recording(AUDIAN_CONFERENCE, "default", base, LATER),
        plivo.read_recording(PLIVO, "default"),
        realtimekit.read_recording(REALTIMEKIT, "default", LATER),
        *(
            voipbin.add_files(voipbin.read_recording(row, "default"), None, LATER)
            for row in VOIPBIN
        ),
    ]


LATER = datetime(2026, 9, 1, tzinfo=UTC)


def test_the_vendors_samples_give_the_measures_counted_by_hand(
    samples: list[rec.Recording],
) -> None:
    found = {
        row.pop("provider"): row
        for row in compute_measures(rec.rows(samples), by="provider", now=LATER).to_pylist()
    }
    audian = found["audian"]
    assert (audian["recordings"], audian["seconds"], audian["bytes"]) == (3, 2230.0, 59_776_000)
    assert audian["seconds_median"] == 305.0
    assert audian["seconds_p95"] == pytest.approx(305 + 0.9 * 1495)
    assert (audian["peak_concurrency"], audian["peak_known"]) == (1, 1)
    assert audian["peak_at"] == datetime(2024, 2, 4, 11, 30, tzinfo=UTC)
    assert (audian["cost"], audian["cost_known"]) == (None, 0)
    plivo = found["plivo"]
    assert (plivo["recordings"], plivo["seconds"]) == (1, 7.56)
    assert (plivo["bytes"], plivo["bytes_known"]) == (None, 0)
    assert plivo["cost"] == pytest.approx(7.56 / 60 * 0.0004)
    kit = found["realtimekit"]
    assert (kit["seconds"], kit["hours"], kit["bytes"]) == (1800.0, 0.5, 2_044_680)
    assert kit["peak_at"] == datetime(2026, 6, 3, 10, tzinfo=UTC)
    voipbin = found["voipbin"]
    assert (voipbin["recordings"], voipbin["seconds"], voipbin["seconds_known"]) == (2, 11.062, 1)
    assert (voipbin["peak_concurrency"], voipbin["peak_known"]) == (1, 1)
    assert voipbin["without_media"] == 1  # its list of files was not read


def test_the_vendors_samples_by_status_and_month(samples: list[rec.Recording]) -> None:
    found = compute_measures(rec.rows(samples), by="provider,status,month", tz="UTC", now=LATER)
    assert [tuple(row.values())[:4] for row in found.to_pylist()] == [
        ("audian", "available", "2024-02", 1),  # media of a conference does not expire
        ("audian", "expired", "2024-01", 2),
        ("plivo", "available", "2022-04", 1),
        ("realtimekit", "expired", "2026-06", 1),
        ("voipbin", "available", "2026-08", 1),
        ("voipbin", "recording", "2021-01", 1),
    ]
