"""Do both engines give the same report? Every number, on the same rows, Spark in local mode."""

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
from recording_core.reporting.compute import figures as computing
from recording_core.reporting.compute.figures import measure
from recording_core.reporting.compute.prices import Prices
from recording_core.reporting.row_schema import COLUMNS

pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(300),  # the first question of all starts a Java machine
    # Spark's own client leaves its sockets to the garbage collector.
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
CENTRE = plugin.Column("cost_centre", "text", "who pays", lambda each: each.account.upper())


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "3")
        # A zone that is not UTC: nothing may go by it.
        .config("spark.sql.session.timeZone", "America/Los_Angeles")
        .getOrCreate()
    )
    yield session
    session.stop()


def made(count: int, seed: int = 4) -> Iterator[rec.Recording]:
    """Rows of every kind, around the days on which the clocks of several zones change."""
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
    return pa.table(rec.rows(made(3000), columns=[CENTRE]))


def on_both(source: Any, **question: Any) -> list[dict[str, Any]]:
    """The answer, which is the same to the last bit on both engines."""
    answers = [
        measure(source, engine=engine, now=NOW, prices=PRICES, **question)
        for engine in ("duckdb", "spark")
    ]
    assert answers[0].schema == answers[1].schema
    ours: list[dict[str, Any]] = answers[0].to_pylist()
    theirs = answers[1].to_pylist()
    differing = [
        (name, mine[name], other[name])
        for mine, other in zip(ours, theirs, strict=True)
        for name in mine
        if mine[name] != other[name]
    ]
    assert not differing, differing[:5]
    return ours


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
def test_every_number_is_the_same_on_both_engines(table: pa.Table, by: str, tz: str) -> None:
    assert on_both(table, by=by, tz=tz)


def test_every_column_groups_alike_on_both_engines() -> None:
    rows = pa.table(rec.rows(made(40)))
    for column in COLUMNS:
        assert on_both(rows, by=column.name)


def test_a_window_and_another_term_are_the_same_on_both_engines(table: pa.Table) -> None:
    found = on_both(
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
    whole = on_both(table, by="provider")
    monkeypatch.setattr(computing, "MINUTES_PRUNE", 0)
    monkeypatch.setattr(computing, "peaks", None)
    assert on_both(table, by="provider") == whole


def test_a_folder_of_parquet_is_read_alike(tmp_path: Path) -> None:
    paths = []
    for number, columns in enumerate([(), (CENTRE,)]):
        path = tmp_path / f"part {number}.parquet"
        parquet.write_table(pa.table(rec.rows(made(200, seed=number), columns=columns)), path)
        paths.append(str(path))
    assert on_both(paths, by="cost_centre,month", tz="Europe/Berlin")


def test_no_rows_are_answered_alike() -> None:
    assert on_both([], by="day") == []
    assert on_both(rec.rows([]), by="")[0]["recordings"] == 0


def test_the_users_own_session_keeps_its_settings(session: Any, table: pa.Table) -> None:
    measure(table.slice(0, 10), engine="spark", now=NOW)
    assert session.conf.get("spark.sql.session.timeZone") == "America/Los_Angeles"
    assert session.catalog.listTables() == []
