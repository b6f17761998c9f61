"""Both engines give the same report for the same rows; Spark runs in local mode."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

import recording_core as rec
from recording_core import plugin
from recording_core.listing.row_schema import COLUMNS
from recording_core.reporting.compute import aggregation
from recording_core.reporting.compute.aggregation import compute_measures
from recording_core.reporting.compute.prices import Prices

pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(300),  # the first statement starts a Java virtual machine
    # The client of Spark leaves its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NOW = datetime(2026, 11, 20, 12, 0, 0, 500_000, tzinfo=UTC)
PRICES = Prices(
    {
        "acme": plugin.StoragePrice(per_minute_month=0.0004, free_days=90),
        "bell": plugin.StoragePrice(per_gb_month=0.023, free_days=3),
    }
)
CENTRE = plugin.Column(
    "cost_centre", "text", "the centre that pays", lambda each: each.account.upper()
)


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "3")
        # A zone that is not UTC, which must have no effect.
        .config("spark.sql.session.timeZone", "America/Los_Angeles")
        .getOrCreate()
    )
    yield session
    session.stop()


def build_recordings(count: int, seed: int = 4) -> Iterator[rec.Recording]:
    """Build varied rows around the days on which the clocks of several zones change."""
    rng = random.Random(seed)
    anchors = [
        datetime(2026, 3, 29, 1, tzinfo=UTC),
        datetime(2026, 10, 25, 1, tzinfo=UTC),
        datetime(2026, 4, 4, 15, tzinfo=UTC),
        datetime(2026, 10, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
    ]

    def maybe(value: Any) -> Any:
        return value if rng.random() < 0.85 else None

    def near(days: float) -> datetime:
        micros = int(rng.uniform(-days, days) * 86_400e6)
        return rng.choice(anchors) + timedelta(microseconds=rng.choice([micros, 0, 1, -1]))

    for number in range(count):
        started_at = maybe(near(3))
        length = timedelta(
            microseconds=rng.choice([0, rng.randrange(10**10), rng.randrange(10**12) * 1000, 1])
        )
        created_at = maybe(near(40))
        yield rec.Recording(
            provider=rng.choice(["acme", "bell", "cisco"]),
            account=rng.choice(["default", "emea"]),
            id=str(number),
            kind=maybe(rng.choice(list(rec.SessionKind))),
            target=maybe(rec.call(f"call-{number % 7}")),
            reference=maybe(f"ref-{number % 5}"),
            status=rng.choice([*rec.RecordingStatus, rec.RecordingStatus.AVAILABLE]),
            provider_status=maybe(rng.choice(["DONE", "done", "Ärger", "日本", "", "it's"])),
            started_at=started_at,
            ended_at=maybe(started_at + length) if started_at else None,
            created_at=created_at,
            duration=maybe(length),
            size=maybe(rng.randrange(1 << 43)),
            format=maybe(rng.choice(["mp3", "wav"])),
            channels=maybe(rng.choice([1, 2])),
            files=(rec.MediaFile("mix", rec.FileRole.MIX),) * rng.choice([0, 1, 2]),
            media_expires_at=maybe(NOW + timedelta(days=rng.uniform(-9, 9))),
            deleted_at=maybe(NOW),
            error=maybe("storage_error"),
        )


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return pa.table(rec.rows(build_recordings(3000), columns=[CENTRE]))


def compute_on_both(source: Any, **arguments: Any) -> list[dict[str, Any]]:
    """Compute on both engines and assert that the results are equal to the last bit."""
    tables = [
        compute_measures(source, engine=engine, now=NOW, prices=PRICES, **arguments)
        for engine in ("duckdb", "spark")
    ]
    assert tables[0].schema == tables[1].schema
    first: list[dict[str, Any]] = tables[0].to_pylist()
    second = tables[1].to_pylist()
    differing = [
        (name, one[name], other[name])
        for one, other in zip(first, second, strict=True)
        for name in one
        if one[name] != other[name]
    ]
    assert not differing, differing[:5]
    return first


@pytest.mark.parametrize(
    ("by", "tz"),
    [
        ("", "UTC"),
        ("provider", "UTC"),
        ("provider,account,status", "UTC"),
        ("hour", "Europe/Berlin"),
        ("provider,day,status", "Australia/Lord_Howe"),
        ("week,cost_centre", "America/St_Johns"),
        ("month,kind", "Asia/Kathmandu"),
        ("day,provider_status", "Pacific/Apia"),
    ],
)
def test_every_measure_is_the_same_on_both_engines(table: pa.Table, by: str, tz: str) -> None:
    assert compute_on_both(table, by=by, tz=tz)


def test_every_column_gives_the_same_groups_on_both_engines() -> None:
    rows = pa.table(rec.rows(build_recordings(40)))
    for column in COLUMNS:
        assert compute_on_both(rows, by=column.name)


def test_a_window_and_another_expiring_period_are_the_same_on_both_engines(table: pa.Table) -> None:
    found = compute_on_both(
        table,
        by="provider,day",
        tz="Europe/Berlin",
        since=datetime(2026, 10, 24, 22, 0, 0, 1, tzinfo=UTC),
        until=datetime(2026, 10, 25, 23, tzinfo=UTC),
        expiring=timedelta(hours=36),
    )
    assert {row["day"] for row in found} == {"2026-10-25", None}


def test_pruned_peaks_are_the_same_on_both_engines(
    table: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compute_on_both(table, by="provider")
    monkeypatch.setattr(aggregation, "MIN_ROWS_PER_MINUTE", 0)
    monkeypatch.setattr(aggregation, "compute_peaks", None)
    assert compute_on_both(table, by="provider") == whole


def test_parquet_files_give_the_same_result_on_both_engines(tmp_path: Path) -> None:
    paths = []
    for number, columns in enumerate([(), (CENTRE,)]):
        path = tmp_path / f"part {number}.parquet"
        parquet.write_table(
            pa.table(rec.rows(build_recordings(200, seed=number), columns=columns)), path
        )
        paths.append(str(path))
    assert compute_on_both(paths, by="cost_centre,month", tz="Europe/Berlin")


def test_no_rows_give_the_same_result_on_both_engines() -> None:
    assert compute_on_both([], by="day") == []
    assert compute_on_both(rec.rows([]), by="")[0]["recordings"] == 0


def test_the_settings_of_the_users_session_do_not_change(session: Any, table: pa.Table) -> None:
    compute_measures(table.slice(0, 10), engine="spark", now=NOW)
    assert session.conf.get("spark.sql.session.timeZone") == "America/Los_Angeles"
    assert session.catalog.listTables() == []
