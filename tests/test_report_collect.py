"""Collecting the rows of all accounts into a report, from four emulated vendors."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import recording_core as rec
from recording_core import plugin
from recording_core.plugins.registry import load_object
from recording_core.reporting.collect.collector import AccountTask, collect_account
from recording_core.reporting.collect.store import RowStore
from recording_core.testing import Emulator, ManualClock, Reply

PAST = 6
NO_RETRIES = rec.HttpSettings(retries=0)


pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture
def vendors() -> Iterator[dict[str, Emulator]]:
    """The four emulated vendors, on one manual clock."""
    clock = ManualClock()
    started = {
        name: load_object(info, "emulator")(recordings=PAST, clock=clock).start()
        for name, info in rec.providers().items()
    }
    yield started
    for emulator in started.values():
        emulator.stop()


@pytest.fixture
def connected(vendors: dict[str, Emulator]) -> Iterator[list[rec.Provider]]:
    providers = [emulator.connect(http=NO_RETRIES) for emulator in vendors.values()]
    yield providers
    for each in providers:
        each.close()


def count_requests(vendors: dict[str, Emulator]) -> dict[str, int]:
    """Count the requests to each vendor since the last call."""
    counts = {name: len(emulator.list_requests()) for name, emulator in vendors.items()}
    for emulator in vendors.values():
        emulator.journal.clear()
    return counts


def get_now(vendors: dict[str, Emulator]) -> datetime:
    return vendors["plivo"].clock.now()


def advance(vendors: dict[str, Emulator], by: timedelta) -> None:
    clock = vendors["plivo"].clock
    assert isinstance(clock, ManualClock)
    clock.advance(by)


def count_by_provider(report: rec.Report) -> dict[str, int]:
    return {row["provider"]: row["recordings"] for row in report.rows}


def build_settings(emulator: Emulator) -> str:
    """Build the table of recordings.toml for an account at an emulator."""
    lines = [f'provider = "{emulator.provider}"', f'base_url = "{emulator.base_url}"']
    lines += [
        f'{name} = {{ env = "MY_{emulator.provider.upper()}_{name.upper()}" }}'
        for name in emulator.credentials
    ]
    return "\n".join(["[[account]]", *lines, 'name = "support"', ""])


@pytest.fixture
def configured(vendors: dict[str, Emulator], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recordings.toml with one account per vendor."""
    for emulator in vendors.values():
        for name, value in emulator.credentials.items():
            monkeypatch.setenv(f"MY_{emulator.provider.upper()}_{name.upper()}", value)
    path = Path("recordings.toml")
    path.write_text("".join(map(build_settings, vendors.values())))
    return path


# -- one report of all accounts -------------------------------------------------------------------


def test_a_report_contains_the_recordings_of_every_vendor(
    vendors: dict[str, Emulator], connected: list[rec.Provider]
) -> None:
    report = rec.report(accounts=connected, now=get_now(vendors))
    assert count_by_provider(report) == dict.fromkeys(sorted(vendors), PAST)
    assert report.totals["recordings"] == len(vendors) * PAST
    assert report.complete
    assert [each.provider for each in report.coverage] == list(vendors)
    assert all(each.coverage.seen == PAST for each in report.coverage)
    listed = [recording for provider in connected for recording in provider.list()]
    seconds = sum(each.duration.total_seconds() for each in listed if each.duration)
    assert report.totals["seconds"] == pytest.approx(seconds, abs=1e-3)
    assert report.totals["bytes"] == sum(each.size for each in listed if each.size)


def test_a_window_is_exact_and_not_extended_to_days(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    until = get_now(vendors) - timedelta(days=3, hours=5)
    since = until - timedelta(days=14, hours=7)
    report = rec.report(
        accounts=connected, since=since, until=until, to=tmp_path / "kept", now=get_now(vendors)
    )
    for provider in connected:
        listed = list(provider.list(since=since, until=until))
        assert count_by_provider(report).get(provider.name, 0) == len(listed)


def test_every_output_format_has_the_same_content(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    report = rec.report(accounts=connected, by=("provider", "day"), now=get_now(vendors))
    parsed = json.loads(report.to_json())
    assert parsed["rows"] == [
        {
            key: value.isoformat() if isinstance(value, datetime) else value
            for key, value in row.items()
        }
        for row in report.rows
    ]
    assert list(parsed["rows"][0])[:3] == ["provider", "day", "recordings"]
    assert parsed["window"] == {
        "since": None,
        "until": None,
        "tz": "UTC",
        "now": get_now(vendors).isoformat(),
    }
    assert [each["provider"] for each in parsed["coverage"]] == list(vendors)
    assert parsed["coverage"][0]["error"] is None
    plivo = next(row for row in parsed["rows"] if row["provider"] == "plivo")
    assert (plivo["bytes"], plivo["bytes_known"]) == (None, 0)  # null, and never 0
    report.to_parquet(tmp_path / "report.parquet")
    assert pq.read_table(tmp_path / "report.parquet").to_pylist() == report.rows
    assert report.to_arrow().to_pylist() == report.rows
    assert report.to_polars().to_dicts() == report.rows
    frame = report.to_pandas()
    assert list(frame["recordings"]) == [row["recordings"] for row in report.rows]
    assert frame["bytes"].isna()[frame["provider"] == "plivo"].all()
    heading, *lines = report.to_csv().splitlines()
    assert heading.split(",") == list(report.rows[0])
    assert len(lines) == len(report.rows)
    report.to_html(tmp_path / "report.html")
    assert "realtimekit" in (tmp_path / "report.html").read_text()
    assert "https://" not in (tmp_path / "report.html").read_text()


def test_report_shows_itself_in_a_shell_and_a_notebook(
    vendors: dict[str, Emulator], connected: list[rec.Provider]
) -> None:
    vendors["plivo"].stop()
    report = rec.report(accounts=connected, by=("provider", "day"), now=get_now(vendors))
    count = report.totals["recordings"]
    accounts = len(connected)
    assert repr(report) == (
        f"<Report recordings={count} by=provider,day accounts={accounts} (1 incomplete)>"
    )
    html = report._repr_html_()
    assert "<th>provider</th><th>day (UTC)</th><th>recordings</th>" in html
    assert (
        f'>total</td><td style="text-align:left"></td><td style="text-align:right">{count}' in html
    )
    assert ">not complete</th>" in html
    assert ">plivo</td>" in html


# -- failures -------------------------------------------------------------------------------------


def test_an_unavailable_vendor_affects_its_own_rows_only(
    vendors: dict[str, Emulator], connected: list[rec.Provider]
) -> None:
    vendors["plivo"].stop()
    report = rec.report(accounts=connected, now=get_now(vendors))
    assert count_by_provider(report) == {name: PAST for name in sorted(vendors) if name != "plivo"}
    assert not report.complete
    [missing] = report.missing
    assert (missing.provider, missing.account) == ("plivo", "default")
    assert isinstance(missing.error, rec.Unavailable)
    assert missing.coverage.errors == (str(missing.error),)
    row = json.loads(report.to_json())["coverage"][1]
    assert row["error"].startswith("Unavailable: plivo list: ")
    assert row["complete"] is False


@pytest.mark.parametrize("status", [401, 429, 500])
def test_an_error_body_that_contains_a_credential_is_redacted(
    vendors: dict[str, Emulator], connected: list[rec.Provider], status: int
) -> None:
    plivo = vendors["plivo"]
    echo = json.dumps({"error": f"bad auth_token {plivo.credentials['auth_token']}"}).encode()
    plivo.faults.extend([Reply(status, echo, {"Content-Type": "application/json"})] * 20)
    report = rec.report(accounts=connected, now=get_now(vendors))
    assert [each.provider for each in report.missing] == ["plivo"]
    assert plivo.credentials["auth_token"] not in report.to_json() + repr(report)


def test_a_bug_of_a_plugin_affects_its_own_rows_only(
    vendors: dict[str, Emulator], connected: list[rec.Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(type(connected[1]), "_page", crash)
    report = rec.report(accounts=connected, now=get_now(vendors))
    assert len(report.rows) == len(vendors) - 1
    [missing] = report.missing
    assert isinstance(missing.error, rec.PluginError)
    assert "'plivo' failed as it listed account 'default': KeyError" in str(missing.error)


def test_an_unreadable_row_makes_a_report_incomplete(
    vendors: dict[str, Emulator], connected: list[rec.Provider]
) -> None:
    def remove_id(_: object, payload: Any) -> Any:
        for row in payload.get("objects", ())[:1]:
            row["recording_id"] = None
        return payload

    vendors["plivo"].alter = remove_id
    report = rec.report(accounts=connected, now=get_now(vendors))
    [missing] = report.missing
    assert (
        "Row 0: The field 'recording_id' is not a non-empty string" in missing.coverage.unreadable
    )
    assert missing.error is None


def test_a_field_that_a_vendor_changed_costs_no_recording_of_a_report(
    vendors: dict[str, Emulator], connected: list[rec.Provider]
) -> None:
    plain = rec.report(accounts=connected, now=get_now(vendors))

    def spoil(_: object, payload: Any) -> Any:
        for row in payload.get("objects", ()):
            row["recording_start_ms"] = ["x"]
        return payload

    vendors["plivo"].alter = spoil
    report = rec.report(accounts=connected, now=get_now(vendors))
    assert not report.missing
    assert report.totals["recordings"] == plain.totals["recordings"]
    [plivo] = [each for each in report.coverage if each.provider == "plivo"]
    assert plivo.coverage.unread_fields == {"recording_start_ms": plivo.coverage.seen}


def test_a_name_is_no_account(tmp_path: Path) -> None:
    for use in (rec.report, lambda accounts: rec.Archive(tmp_path / "kept").copy(accounts)):
        with pytest.raises(TypeError, match="an Account or a Provider, not str"):
            use(accounts=["plivo"])  # type: ignore[list-item]


def test_two_accounts_with_one_name_raise_before_any_request(
    vendors: dict[str, Emulator], connected: list[rec.Provider]
) -> None:
    count_requests(vendors)
    with pytest.raises(rec.ConfigurationError, match="two accounts 'default' of audian"):
        rec.report(accounts=[*connected, connected[0]], now=get_now(vendors))
    assert set(count_requests(vendors).values()) == {0}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tz": "Europe/Berlinn"}, "Europe/Berlinn"),
        ({"by": "providers"}, "cannot group by 'providers'; possible are"),
        ({"engine": "sqlite"}, "possible are duckdb, spark"),
        (
            {"since": datetime(2026, 2, 1, tzinfo=UTC), "until": datetime(2026, 1, 1, tzinfo=UTC)},
            "the window is empty",
        ),
        (
            {"since": datetime(2026, 2, 1, tzinfo=UTC), "until": datetime(2026, 2, 1, tzinfo=UTC)},
            "the window is empty",
        ),
        ({"since": datetime(2026, 2, 1)}, "since"),  # noqa: DTZ001  # naive on purpose
        ({"source": "a", "to": "b"}, "two folders"),
        ({"to": "nowhere://x"}, "cannot be opened"),
        ({"source": "not-there"}, "holds no collected recordings"),
    ],
)
def test_wrong_arguments_raise_before_any_request(
    vendors: dict[str, Emulator],
    connected: list[rec.Provider],
    wrong: dict[str, Any],
    message: str,
) -> None:
    count_requests(vendors)
    with pytest.raises(ValueError, match=message):
        rec.report(accounts=connected, now=get_now(vendors), **wrong)
    assert set(count_requests(vendors).values()) == {0}


# -- a folder that is used again ------------------------------------------------------------------


def test_a_second_report_lists_only_days_that_may_have_changed(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    folder, since = tmp_path / "kept", get_now(vendors) - timedelta(days=100)

    def report() -> rec.Report:
        return rec.report(accounts=connected, since=since, to=folder, now=get_now(vendors))

    first = report()
    cold = count_requests(vendors)
    assert cold["plivo"] == 4  # windows of thirty days
    second = report()
    warm = count_requests(vendors)
    assert second.rows == first.rows
    assert second.complete
    assert warm["plivo"] == 1  # the last days alone
    assert warm["voipbin"] < cold["voipbin"]
    advance(vendors, timedelta(days=1))
    rec.report(
        accounts=connected,
        since=since,
        until=get_now(vendors) - timedelta(days=20),
        to=folder,
        now=get_now(vendors),
    )
    quiet = count_requests(vendors)
    assert quiet["plivo"] == quiet["audian"] == 0  # all days of that window are stable


def test_a_recording_made_between_two_reports_is_in_the_second(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    plivo, provider = vendors["plivo"], connected[1]
    args: dict[str, Any] = {"accounts": [provider], "to": tmp_path / "kept"}
    assert rec.report(**args, now=get_now(vendors)).totals["recordings"] == PAST
    session = provider.start(plivo.sessions[0])
    advance(vendors, timedelta(minutes=2))
    provider.stop(session)
    advance(vendors, timedelta(minutes=2))
    report = rec.report(**args, now=get_now(vendors))
    assert report.totals["recordings"] == PAST + 1 == len(list(provider.list()))


def test_deleted_recordings_are_removed_and_expired_ones_stay(
    vendors: dict[str, Emulator], tmp_path: Path
) -> None:
    audian = vendors["audian"]
    with audian.connect(http=NO_RETRIES) as provider:
        newest = next(iter(provider.list()))
        args: dict[str, Any] = {"accounts": [provider], "to": tmp_path / "kept", "by": "status"}
        rec.report(**args, now=get_now(vendors))
        provider.delete(newest)
        advance(vendors, timedelta(hours=1))
        report = rec.report(**args, now=get_now(vendors))
        assert report.totals["recordings"] == PAST - 1
        advance(vendors, timedelta(days=60))  # longer than the vendor keeps anything
        assert list(provider.list()) == []
        report = rec.report(**args, now=get_now(vendors))
        statuses = {row["status"]: row["recordings"] for row in report.rows}
        assert report.totals["recordings"] == PAST - 1
        assert statuses["expired"] >= PAST - 3
        assert "available" not in statuses


def test_a_folder_is_read_without_any_request(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    first = rec.report(accounts=connected, to=folder, now=get_now(vendors))
    count_requests(vendors)
    again = rec.report(source=folder, now=get_now(vendors))
    assert again.rows == first.rows
    assert again.complete
    assert set(count_requests(vendors).values()) == {0}
    assert {each.asked_at for each in again.coverage} == {get_now(vendors)}


def test_a_report_with_days_that_were_never_collected_is_not_complete(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    folder, since = tmp_path / "kept", get_now(vendors) - timedelta(days=10)
    rec.report(accounts=connected, since=since, to=folder, now=get_now(vendors))
    assert rec.report(source=folder, since=since, now=get_now(vendors)).complete
    longer = rec.report(source=folder, since=since - timedelta(days=5), now=get_now(vendors))
    assert not longer.complete
    assert "not collected into" in longer.missing[0].coverage.errors[0]
    assert "from 2026-05-17 to 2026-05-22" in longer.missing[0].coverage.errors[0]


def test_rows_that_were_collected_before_a_vendor_failed_stay(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    args: dict[str, Any] = {"accounts": connected, "to": tmp_path / "kept"}
    rec.report(**args, now=get_now(vendors))
    vendors["plivo"].stop()
    report = rec.report(**args, now=get_now(vendors))
    assert count_by_provider(report)["plivo"] == PAST
    assert [each.provider for each in report.missing] == ["plivo"]


def test_an_account_that_never_responded_is_missing_when_the_folder_is_read(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    vendors["plivo"].stop()
    rec.report(accounts=connected, to=tmp_path / "kept", now=get_now(vendors))
    report = rec.report(source=tmp_path / "kept", now=get_now(vendors))
    [plivo] = report.missing
    assert (plivo.provider, plivo.asked_at) == ("plivo", None)
    assert "Nothing was collected into" in plivo.coverage.errors[0]
    assert report.totals["recordings"] == (len(vendors) - 1) * PAST


def test_a_report_with_days_after_the_last_sweep_is_not_complete(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    at = get_now(vendors)
    rec.report(accounts=connected, to=tmp_path / "kept", now=at)
    advance(vendors, timedelta(days=5))
    up_to_date = rec.report(source=tmp_path / "kept", until=at, now=get_now(vendors))
    assert up_to_date.complete
    stale = rec.report(source=tmp_path / "kept", until=get_now(vendors), now=get_now(vendors))
    assert len(stale.missing) == len(vendors)
    first = f"{at + timedelta(days=1):%Y-%m-%d}"
    assert all(f"from {first} to" in each.coverage.errors[0] for each in stale.missing)
    ahead = get_now(vendors) + timedelta(days=30)
    assert rec.report(
        accounts=connected, to=tmp_path / "kept", until=ahead, now=get_now(vendors)
    ).complete


def test_a_report_with_an_account_that_was_never_collected_is_not_complete(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    rec.report(accounts=connected, to=tmp_path / "kept", now=get_now(vendors))
    other = rec.Account("plivo", "never collected")
    assert not rec.report(source=tmp_path / "kept", accounts=[other]).complete


def test_a_run_that_failed_continues_from_its_last_commit(
    vendors: dict[str, Emulator], tmp_path: Path
) -> None:
    plivo = vendors["plivo"]
    args: dict[str, Any] = {
        "since": get_now(vendors) - timedelta(days=100),
        "to": tmp_path / "kept",
    }

    def fail_after_first(_: object, payload: Any) -> Any:
        if len(plivo.list_requests()) >= 1:
            plivo.faults.append(Reply(500))
        return payload

    plivo.alter = fail_after_first
    with plivo.connect(http=NO_RETRIES) as provider:
        incomplete = rec.report(accounts=[provider], now=get_now(vendors), **args)
        assert not incomplete.complete
        assert 0 < incomplete.totals["recordings"] < PAST
        plivo.alter = None
        plivo.faults.clear()
        count_requests(vendors)
        whole = rec.report(accounts=[provider], now=get_now(vendors), **args)
        assert whole.complete
        assert whole.totals["recordings"] == PAST
        assert count_requests(vendors)["plivo"] < 4


def test_a_run_that_is_killed_continues_from_its_last_commit(
    vendors: dict[str, Emulator], configured: Path, tmp_path: Path
) -> None:
    plivo = vendors["plivo"]
    plivo.latency = timedelta(milliseconds=250)
    code = (
        "import recording_core as rec, sys\n"
        "from datetime import datetime, timedelta\n"
        "now = datetime.fromisoformat(sys.argv[1])\n"
        "mine = [each for each in rec.find_accounts() if each.provider == 'plivo']\n"
        "rec.report(accounts=mine, since=now - timedelta(days=360), to='kept', now=now)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, get_now(vendors).isoformat()]) as process:
        end = time.monotonic() + 30
        # The registration of the account, and three sweeps.
        while len(list(Path("kept").glob("index/*/*/*"))) < 4 and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
    plivo.latency = timedelta(0)
    count_requests(vendors)
    with plivo.connect(account="support", http=NO_RETRIES) as provider:
        report = rec.report(
            accounts=[provider],
            since=get_now(vendors) - timedelta(days=360),
            to="kept",
            now=get_now(vendors),
        )
    assert report.complete
    assert report.totals["recordings"] == PAST
    assert count_requests(vendors)["plivo"] <= 11  # of thirteen windows, and the last days


def spoil_file(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "flipped":
        path.write_bytes(data[:50] + bytes([data[50] ^ 1]) + data[51:])
    elif how == "cut":
        path.write_bytes(data[:-20])
    elif how == "gone":
        path.unlink()
    else:
        pq.write_table(pa.table({"song": ["la"]}), path)


#: Of ways to damage a file, `make test` tries some.
REST = pytest.mark.long
DAMAGE = ["flipped", *(pytest.param(how, marks=REST) for how in ("gone", "cut", "schema"))]


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_part_costs_its_rows_and_is_collected_again(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path, how: str
) -> None:
    args: dict[str, Any] = {"accounts": connected, "now": get_now(vendors)}
    folder = tmp_path / "kept"
    rec.report(to=folder, **args)
    part = min(folder.glob("rows/plivo/default/*.parquet"))
    lost = pq.read_metadata(part).num_rows
    spoil_file(part, how)
    stored = rec.report(source=folder, now=get_now(vendors))
    assert count_by_provider(stored) == {
        name: PAST - lost if name == "plivo" else PAST for name in sorted(vendors)
    }
    [damaged] = stored.missing
    assert damaged.provider == "plivo"
    assert part.name in damaged.coverage.errors[0]
    assert "--to" in damaged.coverage.errors[0]
    assert [(each.until or args["now"]) - each.since for each in damaged.gaps if each.since] == [
        timedelta(days=1)
    ]
    again = rec.report(to=folder, **args)
    assert again.complete
    assert again.totals["recordings"] == len(vendors) * PAST
    [repaired] = [each for each in again.coverage if each.repaired]
    assert repaired.provider == "plivo"
    assert part.name in repaired.repaired[0]
    assert f"collected again, {lost} of its {lost}" in repaired.repaired[0]
    assert rec.report(source=folder, now=get_now(vendors)).complete
    assert not any(each.repaired for each in rec.report(to=folder, **args).coverage)


def test_rows_that_a_vendor_no_longer_lists_are_counted(shelf: Shelf, tmp_path: Path) -> None:
    now = shelf.clock.now()
    created_at = now - timedelta(days=10)
    shelf.shelf = [build_recording(each, created_at=created_at) for each in "abc"]
    rec.report(accounts=[shelf], to=tmp_path, now=now)
    del shelf.shelf[0]
    [part] = tmp_path.glob("rows/*/*/*.parquet")
    spoil_file(part, "flipped")
    report = rec.report(accounts=[shelf], to=tmp_path, now=now)
    assert (report.totals["recordings"], report.complete) == (2, True)
    assert (
        "collected again, 2 of its 3\N{NO-BREAK SPACE}recordings" in report.coverage[0].repaired[0]
    )


@pytest.mark.parametrize("how", ["flipped", pytest.param("cut", marks=REST)])
def test_a_damaged_index_file_costs_its_days_and_is_collected_again(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path, how: str
) -> None:
    args: dict[str, Any] = {"accounts": connected, "now": get_now(vendors)}
    folder = tmp_path / "kept"
    rec.report(to=folder, **args)
    entries = sorted(folder.glob("index/plivo/default/*.json"))
    for each in entries:
        spoil_file(each, how)
    stored = rec.report(source=folder, now=get_now(vendors))
    assert count_by_provider(stored) == {name: PAST for name in sorted(vendors) if name != "plivo"}
    [damaged] = stored.missing
    assert (damaged.provider, damaged.account) == ("plivo", "default")
    assert all(each.name in "".join(damaged.coverage.errors) for each in entries)
    again = rec.report(to=folder, **args)
    assert again.totals["recordings"] == len(vendors) * PAST
    repaired = "".join(sentence for each in again.coverage for sentence in each.repaired)
    assert all(each.name in repaired for each in entries)
    assert rec.report(source=folder, now=get_now(vendors)).complete


def test_damaged_undated_rows_are_collected_again(shelf: Shelf, tmp_path: Path) -> None:
    now = shelf.clock.now()
    args: dict[str, Any] = {
        "now": now,
        "since": now - timedelta(days=20),
        "until": now - timedelta(days=10),
    }
    final = {"status": rec.RecordingStatus.AVAILABLE}  # so that no day is listed again
    shelf.shelf = [build_recording("dated", created_at=now - timedelta(days=15), **final)]
    shelf.shelf.append(build_recording("undated", **final))
    rec.report(accounts=[shelf], to=tmp_path, **args)
    [part] = tmp_path.glob("rows/*/*/undated-*.parquet")
    spoil_file(part, "flipped")
    stored = rec.report(source=tmp_path, **args)
    assert (stored.totals["recordings"], stored.complete) == (1, False)
    again = rec.report(accounts=[shelf], to=tmp_path, **args)
    assert (again.totals["recordings"], again.complete) == (2, True)
    assert part.name in again.coverage[0].repaired[0]


@pytest.mark.long
def test_a_folder_may_be_a_url(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    for url in (f"file://{tmp_path}/kept", f"memory://{tmp_path.name}"):
        first = rec.report(accounts=connected, to=url, now=get_now(vendors))
        assert rec.report(source=url, now=get_now(vendors)).rows == first.rows
        assert first.totals["recordings"] == len(vendors) * PAST


@pytest.mark.long
def test_a_folder_name_with_glob_characters_is_literal(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    name = "a[1] of * all, or?"
    for url in (f"{tmp_path}/{name}", f"memory://{tmp_path.name}/{name}"):
        for _ in range(2):
            first = rec.report(accounts=connected, to=url, now=get_now(vendors))
            assert first.totals["recordings"] == len(vendors) * PAST
        assert rec.report(source=url, now=get_now(vendors)).rows == first.rows


class Hosted(MemoryFileSystem):  # type: ignore[misc]  # fsspec ships no types
    """A file system whose paths do not contain the host, as with sftp or hdfs."""

    protocol = "hosted"
    cachable = False

    def __init__(self, host: str = "", **options: Any) -> None:
        super().__init__(**options)
        if not host:
            raise OSError("no host is named")

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        _, scheme, rest = path.partition("hosted://")
        return "/" + (rest.partition("/")[2] if scheme else path.strip("/")).rstrip("/")

    @staticmethod
    def _get_kwargs_from_urls(url: str) -> dict[str, str]:
        host = url.partition("hosted://")[2].partition("/")[0].rpartition("@")[2]
        return {"host": host} if host else {}


@pytest.mark.long
def test_a_folder_may_be_on_a_host_that_only_its_url_names(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    fsspec.register_implementation("hosted", Hosted, clobber=True)
    url = f"hosted://me:s3cr3t-word@host/{tmp_path.name}"
    first = rec.report(accounts=connected, to=url, now=get_now(vendors))
    assert rec.report(source=url, now=get_now(vendors)).rows == first.rows
    [part, *_] = [each for each in Hosted.store if "/rows/" in each and tmp_path.name in each]
    Hosted.store[part] = type(Hosted.store[part])(
        Hosted(host="host"), part, b"x" * len(Hosted.store[part].getvalue())
    )
    [damaged] = rec.report(source=url, now=get_now(vendors)).missing
    assert "has another SHA-256" in damaged.coverage.errors[0]
    assert "s3cr3t" not in repr(damaged)


def test_a_recording_of_several_sweeps_is_counted_once(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    for _ in range(3):
        report = rec.report(accounts=connected, to=tmp_path / "kept", now=get_now(vendors))
        assert [each.coverage.seen for each in report.coverage] == [PAST] * len(vendors)
        advance(vendors, timedelta(hours=1))


@pytest.mark.long
def test_a_stored_column_of_a_removed_plugin_can_be_grouped_by(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.shelf = [build_recording("a", created_at=shelf.clock.now())]
    team = plugin.Column("team", "text", "the team that owns it", lambda _: "support")
    monkeypatch.setattr(
        "recording_core.reporting.collect.collector.load_declared_columns", lambda: (team,)
    )
    rec.report(accounts=[shelf], to=tmp_path / "kept", now=shelf.clock.now())
    report = rec.report(source=tmp_path / "kept", by="team")
    assert [(row["team"], row["recordings"]) for row in report.rows] == [("support", 1)]
    with pytest.raises(rec.ConfigurationError, match="cannot group by 'taem'"):
        rec.report(source=tmp_path / "kept", by="taem")


def test_an_unreadable_column_raises_one_line_without_the_value(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: rec.Recording) -> str:
        raise ValueError("s3cr3t-word")

    shelf.shelf = [build_recording("a")]
    team = plugin.Column("team", "text", "the team that owns it", fail)
    monkeypatch.setattr(
        "recording_core.reporting.collect.collector.load_declared_columns", lambda: (team,)
    )
    [covered] = rec.report(accounts=[shelf]).coverage
    assert isinstance(covered.error, rec.PluginError)
    assert str(covered.error).startswith("The report column 'team' (text) cannot be read")
    assert "\n" not in str(covered.error)
    assert "s3cr3t-word" not in str(covered.error)


def test_a_number_that_is_not_finite_is_unknown(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.shelf = [build_recording("a")]
    score = plugin.Column("score", "number", "the quality", lambda _: float("nan"))
    for module in ("collect.collector", "report"):
        monkeypatch.setattr(
            f"recording_core.reporting.{module}.load_declared_columns", lambda: (score,)
        )
    report = rec.report(accounts=[shelf], by="score")
    assert json.loads(report.to_json())["rows"][0]["score"] is None


def test_extreme_sizes_are_clipped_and_summed(shelf: Shelf) -> None:
    shelf.shelf = [build_recording(each, size=2**62) for each in "ab"]
    report = rec.report(accounts=[shelf])
    assert report.totals["bytes_known"] == 2
    assert report.totals["bytes"] > 2**53


# -- unusual rows ---------------------------------------------------------------------------------


class Shelf(rec.Provider):
    """A provider whose recordings the test sets."""

    default_base_url = "http://127.0.0.1:9"
    shelf: list[rec.Recording]

    def _auth(self, settings: object) -> Any:
        return plugin.HeaderAuth("X-Key", "key-of-the-shelf")

    def _page(self, query: plugin.Query, window: plugin.Window, cursor: Any) -> plugin.Page:
        return plugin.Page(self.shelf, total=len(self.shelf))


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    info = rec.ProviderInfo(
        "shelf", "Shelf", (), plugin.build_capabilities(call="list"), "https://x.test", "x:y"
    )
    with Shelf(plugin.Connection(info, settings={}, clock=ManualClock())) as provider:
        yield provider


def build_recording(id: str, **fields: Any) -> rec.Recording:
    return rec.Recording("shelf", "default", id, **fields)


def test_undated_rows_are_counted_once_after_several_sweeps(shelf: Shelf, tmp_path: Path) -> None:
    at = shelf.clock.now()
    shelf.shelf = [build_recording("a"), build_recording("b", created_at=at), build_recording("c")]
    for days in (0, 1, 5):
        report = rec.report(
            accounts=[shelf], to=tmp_path / "kept", now=at + timedelta(days=days), by="day"
        )
        assert report.totals["recordings"] == 3
        assert report.coverage[0].coverage.undated == 2
    shelf.shelf[0] = build_recording("a", created_at=at + timedelta(days=4))  # now it has a time
    report = rec.report(accounts=[shelf], to=tmp_path / "kept", now=at + timedelta(days=5))
    assert report.totals["recordings"] == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"duration": timedelta(0)},
        {"duration": timedelta(days=4000)},
        {"status": rec.RecordingStatus.UNKNOWN, "provider_status": "WARPED"},
        {"id": "half \ud800 a pair"},
        {"created_at": datetime(1, 1, 1, tzinfo=UTC)},
        {"created_at": datetime(9999, 12, 30, tzinfo=UTC)},
        {"started_at": datetime(2026, 5, 1, tzinfo=UTC)},
    ],
)
def test_an_unusual_row_is_reported(shelf: Shelf, tmp_path: Path, fields: dict[str, Any]) -> None:
    fields = {"id": "odd", "created_at": shelf.clock.now(), **fields}
    shelf.shelf = [build_recording(fields.pop("id"), **fields)]
    for _ in range(2):
        report = rec.report(accounts=[shelf], to=tmp_path / "kept", now=shelf.clock.now())
        assert report.complete
        assert report.totals["recordings"] == 1
    if fields.get("provider_status"):
        assert report.totals["unknown_words"] == ["WARPED"]


def test_an_incomplete_sweep_removes_no_rows(shelf: Shelf, tmp_path: Path) -> None:
    at = shelf.clock.now()
    shelf.shelf = [build_recording(each, created_at=at) for each in "ab"]
    rec.report(accounts=[shelf], to=tmp_path / "kept", now=at)
    page = plugin.Page(shelf.shelf[:1], total=2, errors=("half of the page is absent",))
    shelf._page = lambda *_: page  # type: ignore[method-assign]
    report = rec.report(accounts=[shelf], to=tmp_path / "kept", now=at + timedelta(hours=1))
    assert not report.complete
    assert report.totals["recordings"] == 2


# -- executors ------------------------------------------------------------------------------------


@pytest.mark.long
def test_processes_collect_the_same_rows_as_threads(
    vendors: dict[str, Emulator], configured: Path, tmp_path: Path
) -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as processes:
        report = rec.report(to=tmp_path / "kept", executor=processes, now=get_now(vendors))
        vendors["plivo"].stop()
        short = rec.report(executor=processes, now=get_now(vendors))
    assert report.complete
    assert count_by_provider(report) == dict.fromkeys(sorted(vendors), PAST)
    assert set(count_by_provider(short)) == {*vendors} - {"plivo"}
    assert [type(each.error) for each in short.missing] == [rec.Unavailable]


def test_a_report_survives_a_worker_that_dies(
    vendors: dict[str, Emulator], configured: Path
) -> None:
    class FailingExecutor(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            job: Future[Any] = Future()
            if args[0].account.provider == "plivo":
                job.set_exception(RuntimeError("the pool is broken"))
            else:
                job.set_result(fn(*args, **kwargs))
            return job

    report = rec.report(executor=FailingExecutor(), now=get_now(vendors))
    assert len(report.rows) == len(vendors) - 1
    assert "worker of plivo account 'support' failed" in str(report.missing[0].error)


def test_a_report_survives_a_broken_executor(configured: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        with pytest.raises(BrokenExecutor):
            executor.submit(os._exit, 1).result()
        report = rec.report(accounts=rec.find_accounts(configured), executor=executor)
    assert {type(each.error) for each in report.coverage} == {rec.RecordingError}
    assert "BrokenProcessPool" in str(report.coverage[0].error)


def test_an_engine_that_is_not_installed_raises_before_any_request(
    vendors: dict[str, Emulator], connected: list[rec.Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    count_requests(vendors)
    with pytest.raises(rec.ConfigurationError, match="spark needs pyspark"):
        rec.report(accounts=connected, engine="spark")
    with pytest.raises(rec.ConfigurationError, match="expiring must be"):
        rec.report(accounts=connected, expiring=timedelta.max)
    assert sum(count_requests(vendors).values()) == 0


def test_a_task_is_pickled_without_credentials(
    vendors: dict[str, Emulator], configured: Path, tmp_path: Path
) -> None:
    for account in rec.find_accounts():
        task = AccountTask(account, (plugin.Window(),), str(tmp_path), get_now(vendors))
        pickled = pickle.dumps(task)
        assert pickle.loads(pickled) == task
        result = pickle.dumps(collect_account(task))
        for value in vendors[account.provider].credentials.values():
            assert value.encode() not in pickled + result + repr(task).encode()


def test_connected_providers_and_memory_folders_cannot_go_to_other_processes(
    vendors: dict[str, Emulator], connected: list[rec.Provider], configured: Path
) -> None:
    executor = Executor()  # stands for any, such as that of a Dask cluster
    with pytest.raises(rec.ConfigurationError, match="give accounts"):
        rec.report(accounts=connected, executor=executor)
    with pytest.raises(rec.ConfigurationError, match="this process's memory"):
        rec.report(to="memory://x", executor=executor)
    with ThreadPoolExecutor(1) as threads:  # these are of this process
        report = rec.report(
            accounts=connected, executor=threads, to="memory://x", now=get_now(vendors)
        )
    assert len(report.rows) == len(vendors)


def test_the_folder_contains_no_credentials(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    rec.report(accounts=connected, to=tmp_path / "kept", now=get_now(vendors))
    for path in (tmp_path / "kept").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            text = (
                pq.read_table(io.BytesIO(data)).to_pylist() if path.suffix == ".parquet" else data
            )
            for emulator in vendors.values():
                for name, value in emulator.credentials.items():
                    assert name == "account_id" or value not in repr(text)
            assert b"X-Amz-Signature" not in data


def test_buffered_rows_do_not_grow_with_the_number_of_recordings(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size of each part shows how many rows were buffered."""
    monkeypatch.setattr("recording_core.reporting.collect.collector._BATCH_SIZE", 10)
    monkeypatch.setattr("recording_core.reporting.collect.collector._MAX_BUFFERED_ROWS", 40)
    at = shelf.clock.now()
    shelf.shelf = [build_recording(f"{number}", created_at=at) for number in range(1000)]
    sizes: list[int] = []
    write = RowStore.write

    def record_size(*args: Any) -> Any:
        sizes.append(args[4].num_rows)
        return write(*args)

    monkeypatch.setattr(RowStore, "write", record_size)
    report = rec.report(accounts=[shelf], now=at)
    assert report.totals["recordings"] == 1000
    assert max(sizes) <= 50


def test_the_temporary_folder_is_removed(
    vendors: dict[str, Emulator],
    connected: list[rec.Provider],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rec.report(accounts=connected, now=get_now(vendors))
    assert os.listdir(tmp_path) == []
