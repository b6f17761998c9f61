"""The conversion of recordings to Arrow rows: columns, laziness, plugins, schema versions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pluggy
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

import recording_core as rec
from recording_core import plugin
from recording_core.listing import row_schema
from recording_core.plugins import hookspecs
from recording_core.plugins.registry import Registry

NOON = datetime(2026, 3, 29, 12, 0, 0, 123456, tzinfo=UTC)
FULL = rec.Recording(
    provider="acme",
    account="emea",
    id="r-1",
    kind=rec.SessionKind.CONFERENCE,
    target=rec.conference("standup"),
    reference="bridge-7",
    status=rec.RecordingStatus.AVAILABLE,
    provider_status="DONE",
    started_at=NOON,
    ended_at=NOON + timedelta(seconds=90),
    created_at=NOON + timedelta(seconds=91),
    duration=timedelta(seconds=90, milliseconds=5),
    size=1_234_567_890_123,
    format="mp3",
    channels=2,
    files=(rec.MediaFile("a", rec.FileRole.MIX), rec.MediaFile("b", rec.FileRole.LEG)),
    media_expires_at=NOON + timedelta(days=7),
    deleted_at=NOON + timedelta(days=8),
    error="none",
)
BARE = rec.Recording(provider="acme", account="default", id="r-2")


def test_a_row_contains_the_fields_of_its_recording() -> None:
    [row] = pa.table(rec.rows([FULL])).to_pylist()
    assert row == {
        "provider": "acme",
        "account": "emea",
        "recording_id": "r-1",
        "kind": "conference",
        "session_id": "standup",
        "reference": "bridge-7",
        "status": "available",
        "provider_status": "DONE",
        "started_at": FULL.started_at,
        "ended_at": FULL.ended_at,
        "created_at": FULL.created_at,
        "seconds": 90.005,
        "bytes": 1_234_567_890_123,
        "format": "mp3",
        "channels": 2,
        "files": 2,
        "media_expires_at": FULL.media_expires_at,
        "deleted_at": FULL.deleted_at,
        "error": "none",
    }


def test_fields_that_the_vendor_does_not_report_are_null() -> None:
    [row] = pa.table(rec.rows([BARE])).to_pylist()
    known = {name: value for name, value in row.items() if value is not None}
    assert known == {
        "provider": "acme",
        "account": "default",
        "recording_id": "r-2",
        "status": "unknown",
        "files": 0,
    }


def test_the_schema_is_plain_and_its_version_is_stored_in_parquet(tmp_path: Path) -> None:
    table = pa.table(rec.rows([FULL, BARE]))
    assert [str(each.type) for each in table.schema] == [
        "string" if column.type == "text" else
        "timestamp[us, tz=UTC]" if column.type == "time" else
        "double" if column.type == "seconds" else "int64"
        for column in row_schema.COLUMNS
    ]  # fmt: skip
    parquet.write_table(table, tmp_path / "rows.parquet")
    row_schema.check_schema(parquet.read_schema(tmp_path / "rows.parquet"), "rows.parquet")
    assert parquet.read_table(tmp_path / "rows.parquet").to_pylist() == table.to_pylist()


def test_recordings_are_read_lazily_batch_by_batch() -> None:
    count = 0

    def generate() -> Iterator[rec.Recording]:
        nonlocal count
        for _ in range(100):
            count += 1
            yield BARE

    batches = rec.rows(generate(), batch=10).batches()
    assert count == 0
    assert next(batches).num_rows == 10
    assert count == 10
    assert [batch.num_rows for batch in batches] == [10] * 9


def query_with_duckdb(recordings: Any) -> Any:
    relation: Any = duckdb.sql("SELECT * FROM recordings")  # DuckDB finds the variable
    return relation.to_arrow_table()


#: What people write -> the frame of `rec.rows(...)`.
SPELLINGS: dict[str, Callable[[Any], Any]] = {
    "rows.to_pandas()": lambda rows: rows.to_pandas(),
    "rows.to_polars()": lambda rows: rows.to_polars(),
    "rows.to_arrow()": lambda rows: rows.to_arrow(),
    "pd.DataFrame(rows)": pd.DataFrame,
    "pd.DataFrame(list(rows))": lambda rows: pd.DataFrame(list(rows)),
    "pd.DataFrame.from_records(iter(rows))": lambda rows: pd.DataFrame.from_records(iter(rows)),
    # Since pandas 3.
    "pd.DataFrame.from_arrow(rows)": getattr(pd.DataFrame, "from_arrow", pd.DataFrame),
    "pl.DataFrame(rows)": pl.DataFrame,
    "pl.DataFrame(list(rows))": lambda rows: pl.DataFrame(list(rows)),
    "pl.from_dicts(rows)": pl.from_dicts,
    "pl.from_arrow(rows.to_arrow())": lambda rows: pl.from_arrow(rows.to_arrow()),
    "pl.from_arrow(rows).struct.unnest()": lambda rows: pl.Series(
        pl.from_arrow(rows)
    ).struct.unnest(),
    "pa.table(rows)": pa.table,
    "pa.Table.from_batches(rows.batches())": lambda rows: pa.Table.from_batches(rows.batches()),
    "duckdb.sql('SELECT * FROM recordings')": query_with_duckdb,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_gives_a_row_per_recording_and_the_columns(spelling: str) -> None:
    frame = SPELLINGS[spelling](rec.rows([FULL, BARE]))
    names = getattr(frame, "column_names", None) or list(frame.columns)
    assert frame.shape == (2, len(row_schema.COLUMNS))
    assert names == [column.name for column in row_schema.COLUMNS]
    assert list(map(str, frame["recording_id"])) == ["r-1", "r-2"]
    created_at = frame["created_at"][0]
    assert getattr(created_at, "as_py", lambda: created_at)() == FULL.created_at


def test_whole_numbers_stay_whole_in_pandas_beside_null() -> None:
    frame = rec.rows([FULL, BARE]).to_pandas()
    assert list(frame["bytes"]) == [FULL.size, pd.NA]
    assert str(frame["bytes"].dtype) == "Int64"
    assert str(frame["created_at"].dtype) == "datetime64[us, UTC]"
    assert dict(rec.rows([]).to_pandas().dtypes) == dict(frame.dtypes)


def test_a_sum_of_nothing_known_is_null_as_the_docs_write_it() -> None:
    rows = rec.rows([BARE])
    assert pd.isna(rows.to_pandas()["bytes"].sum(min_count=1))
    by_status = rows.to_pandas().groupby("status")["seconds"].sum(min_count=1)
    assert by_status.isna().all()
    size = pl.col("bytes")
    total = rows.to_polars().select(pl.when(size.count() > 0).then(size.sum()))
    assert total.item() is None


def test_iterating_rows_yields_dicts() -> None:
    first, second = rec.rows([FULL, BARE])
    assert (first["recording_id"], first["bytes"]) == ("r-1", FULL.size)
    assert (second["recording_id"], second["bytes"]) == ("r-2", None)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_without_pandas_or_polars_the_error_names_what_to_install(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(rec.ConfigurationError, match=f"needs {library}.*pip install {library}"):
        getattr(rec.rows([FULL]), f"to_{library}")()


def test_no_rows_give_an_empty_table_with_the_schema() -> None:
    assert pa.table(rec.rows([])).schema == row_schema.build_arrow_schema()


@given(
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))])),
    st.timedeltas(),
)
def test_times_and_durations_are_exact_to_the_microsecond(
    time: datetime, duration: timedelta
) -> None:
    try:
        time = time.astimezone(UTC)
    except OverflowError:
        return
    recording = rec.Recording("acme", "a", "r", created_at=time, duration=duration)
    [batch] = rec.rows([recording]).batches()
    micros = batch.column("created_at").cast(pa.int64())[0].as_py()
    assert micros == (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert batch.column("seconds")[0].as_py() == duration.total_seconds()


@given(st.text(st.characters(), min_size=1))
def test_any_text_that_json_can_contain_becomes_a_row(text: str) -> None:
    [batch] = rec.rows([rec.Recording("acme", "a", "r", error=text)]).batches()
    expected = text.encode("utf-8", "replace").decode()
    assert batch.column("error")[0].as_py() == expected


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    [batch] = rec.rows([rec.Recording("acme", "a", "r", error="a\ud800b"), BARE]).batches()
    assert batch.column("error").to_pylist() == ["a?b", None]


# -- columns of plugins ---------------------------------------------------------------------------


def read_cost_centre(recording: rec.Recording) -> str:
    return recording.account.upper()


CENTRE = plugin.Column("cost_centre", "text", "the centre that pays", read_cost_centre)


def test_a_column_of_a_plugin_comes_last() -> None:
    table = pa.table(rec.rows([FULL], columns=[CENTRE]))
    assert table.column_names[-1] == "cost_centre"
    assert table.column("cost_centre").to_pylist() == ["EMEA"]
    row_schema.check_schema(table.schema, "the table")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([plugin.Column("status", "text", "x", read_cost_centre)], "Two report columns"),
        ([CENTRE, CENTRE], "Two report columns are named 'cost_centre'"),
        ([plugin.Column("margin", "number", "x")], "'margin' has no `read`"),
        (["cost_centre"], "must be a Column, not str"),
    ],
)
def test_invalid_or_clashing_columns_raise(columns: Any, message: str) -> None:
    with pytest.raises(rec.PluginError, match=message):
        rec.rows([FULL], columns=columns)


@pytest.mark.parametrize(
    ("type", "read"),
    [
        ("text", lambda recording: 3),
        ("count", lambda recording: "three"),
        ("count", lambda recording: 1 << 70),
        ("time", lambda recording: "2026-01-01"),
        ("time", lambda recording: datetime(2026, 1, 1)),  # noqa: DTZ001
        ("text", lambda recording: recording.no_such_field),
    ],
)
def test_a_column_with_values_of_another_type_is_named(type: str, read: Any) -> None:
    rows = rec.rows([FULL], columns=[plugin.Column("margin", type, "x", read)])
    with pytest.raises(rec.PluginError, match=r"column 'margin'.*correct its `read`"):
        list(rows)


@pytest.mark.parametrize(("name", "type"), [("Cost", "text"), ("", "text"), ("cost", "money")])
def test_a_column_needs_a_lower_case_name_and_a_known_type(name: str, type: str) -> None:
    with pytest.raises(ValueError, match=r"lower case|possible are text, time"):
        plugin.Column(name, type, "x")


class ValidPlugin:
    @plugin.hookimpl
    def recording_report_columns(self) -> list[plugin.Column]:
        return [CENTRE]


class RaisingPlugin:
    @plugin.hookimpl
    def recording_report_columns(self) -> list[plugin.Column]:
        raise KeyError("gone")


class ClashingPlugin:
    @plugin.hookimpl
    def recording_report_columns(self) -> list[plugin.Column]:
        return [plugin.Column("status", "text", "x", read_cost_centre)]


def test_the_columns_of_a_broken_plugin_are_ignored_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manager = pluggy.PluginManager("recording_core")
    manager.add_hookspecs(hookspecs)
    for each in (ClashingPlugin(), ValidPlugin(), RaisingPlugin()):
        manager.register(each, name=type(each).__name__.lower())
    monkeypatch.setattr(row_schema, "load_registry", lambda: Registry(manager, {}, {}))
    with pytest.warns(UserWarning, match="are ignored") as warnings:
        assert row_schema.load_declared_columns() == (CENTRE,)
    texts = sorted(str(each.message) for each in warnings)
    assert "plugin clashingplugin are ignored: PluginError" in texts[0]
    assert "plugin raisingplugin are ignored: KeyError" in texts[1]


# -- rows of another schema -----------------------------------------------------------------------


def build_schema(version: str) -> pa.Schema:
    return row_schema.build_arrow_schema().with_metadata({"recording_core.row_schema": version})


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (pa.schema([("a", pa.int64())]), r"old\.parquet does not hold the rows of a report"),
        (build_schema("0"), r"old\.parquet holds rows of schema version 0.*collect again"),
        (build_schema("999"), r"old\.parquet holds rows of schema version 999.*update"),
        (build_schema("x"), r"old\.parquet holds rows of schema version x.*collect"),
        (
            row_schema.build_arrow_schema().remove(6),
            r"does not hold the column 'status' .*lacks it",
        ),
        (
            row_schema.build_arrow_schema().set(11, pa.field("seconds", pa.string())),
            r"'seconds' as double \(it has string\)",
        ),
    ],
)
def test_rows_of_another_schema_raise_with_what_to_do(schema: Any, message: str) -> None:
    with pytest.raises(rec.ConfigurationError, match=message):
        row_schema.check_schema(schema, "old.parquet")


def test_without_pyarrow_the_error_names_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import recording_core as rec\n"
        "try:\n    rec.rows([])\n"
        "except rec.ConfigurationError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'recording-core[report]'" in done.stdout


def test_accessing_rows_does_not_import_pyarrow() -> None:
    code = (
        "import recording_core as rec, sys; rec.rows; rec.Listing; print('pyarrow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
