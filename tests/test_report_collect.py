"""Is every account collected once, whole, and without harm to the others? Four emulated vendors."""

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
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
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
from recording_core.reporting.collect.collector import Work, collect
from recording_core.reporting.collect.store import Store
from recording_core.testing import Emulator, ManualClock, Reply

PAST = 15
HASTE = rec.HttpSettings(retries=0)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for info in rec.providers().values():
        monkeypatch.delenv(f"{info.name.upper()}_BASE_URL", raising=False)
        for setting in info.settings:
            monkeypatch.delenv(setting.env, raising=False)
    monkeypatch.delenv("RECORDINGS_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def vendors() -> Iterator[dict[str, Emulator]]:
    """The four, on one clock that stands still."""
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
    providers = [emulator.connect(http=HASTE) for emulator in vendors.values()]
    yield providers
    for each in providers:
        each.close()


def asked(vendors: dict[str, Emulator]) -> dict[str, int]:
    """How many requests each vendor saw since it was looked at last."""
    counts = {name: len(emulator.requests()) for name, emulator in vendors.items()}
    for emulator in vendors.values():
        emulator.journal.clear()
    return counts


def now(vendors: dict[str, Emulator]) -> datetime:
    return vendors["plivo"].clock.now()


def advance(vendors: dict[str, Emulator], by: timedelta) -> None:
    clock = vendors["plivo"].clock
    assert isinstance(clock, ManualClock)
    clock.advance(by)


def counted(report: rec.Report) -> dict[str, int]:
    return {row["provider"]: row["recordings"] for row in report.rows}


def settings_of(emulator: Emulator) -> str:
    """A table of recordings.toml that leads to an emulator."""
    lines = [f'provider = "{emulator.provider}"', f'base_url = "{emulator.base_url}"']
    lines += [
        f'{name} = {{ env = "MY_{emulator.provider.upper()}_{name.upper()}" }}'
        for name in emulator.credentials
    ]
    return "\n".join(["[[account]]", *lines, 'name = "support"', ""])


@pytest.fixture
def configured(vendors: dict[str, Emulator], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recordings.toml with an account of each."""
    for emulator in vendors.values():
        for name, value in emulator.credentials.items():
            monkeypatch.setenv(f"MY_{emulator.provider.upper()}_{name.upper()}", value)
    path = Path("recordings.toml")
    path.write_text("".join(map(settings_of, vendors.values())))
    return path


# -- one view over all ----------------------------------------------------------------------------


def test_every_vendors_recordings_are_in_one_report(
    vendors: dict[str, Emulator], connected: list[rec.Provider]
) -> None:
    report = rec.report(accounts=connected, now=now(vendors))
    assert counted(report) == dict.fromkeys(sorted(vendors), PAST)
    assert report.totals["recordings"] == 4 * PAST
    assert report.complete
    assert [each.provider for each in report.coverage] == list(vendors)
    assert all(each.coverage.seen == PAST for each in report.coverage)
    listed = [recording for provider in connected for recording in provider.list()]
    seconds = sum(each.duration.total_seconds() for each in listed if each.duration)
    assert report.totals["seconds"] == pytest.approx(seconds, abs=1e-3)
    assert report.totals["bytes"] == sum(each.size for each in listed if each.size)


def test_a_window_is_to_the_moment_and_not_to_the_day(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    until = now(vendors) - timedelta(days=3, hours=5)
    since = until - timedelta(days=14, hours=7)
    report = rec.report(
        accounts=connected, since=since, until=until, to=tmp_path / "kept", now=now(vendors)
    )
    for provider in connected:
        listed = list(provider.list(since=since, until=until))
        assert counted(report).get(provider.name, 0) == len(listed)


def test_it_says_the_same_in_every_form(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    report = rec.report(accounts=connected, by=("provider", "day"), now=now(vendors))
    told = json.loads(report.to_json())
    assert told["rows"] == [
        {
            key: value.isoformat() if key == "peak_at" and value else value
            for key, value in row.items()
        }
        for row in report.rows
    ]
    assert list(told["rows"][0])[:3] == ["provider", "day", "recordings"]
    assert told["window"] == {
        "since": None,
        "until": None,
        "tz": "UTC",
        "now": now(vendors).isoformat(),
    }
    assert [each["provider"] for each in told["coverage"]] == list(vendors)
    assert told["coverage"][0]["error"] is None
    plivo = next(row for row in told["rows"] if row["provider"] == "plivo")
    assert (plivo["bytes"], plivo["bytes_known"]) == (None, 0)  # null, and never 0
    report.to_parquet(tmp_path / "report.parquet")
    assert pq.read_table(tmp_path / "report.parquet").to_pylist() == report.rows
    assert report.to_arrow().to_pylist() == report.rows
    heading, *lines = report.to_csv().splitlines()
    assert heading.split(",") == list(report.rows[0])
    assert len(lines) == len(report.rows)
    report.to_html(tmp_path / "report.html")
    assert "realtimekit" in (tmp_path / "report.html").read_text()
    assert "https://" not in (tmp_path / "report.html").read_text()


# -- one that fails -------------------------------------------------------------------------------


def test_a_vendor_that_is_gone_costs_its_own_rows_only(
    vendors: dict[str, Emulator], connected: list[rec.Provider]
) -> None:
    vendors["plivo"].stop()
    report = rec.report(accounts=connected, now=now(vendors))
    assert counted(report) == {name: PAST for name in sorted(vendors) if name != "plivo"}
    assert not report.complete
    [missing] = report.missing
    assert (missing.provider, missing.account) == ("plivo", "default")
    assert isinstance(missing.error, rec.Unavailable)
    assert missing.coverage.errors == (str(missing.error),)
    row = json.loads(report.to_json())["coverage"][1]
    assert row["error"].startswith("Unavailable: plivo list: ")
    assert row["complete"] is False


@pytest.mark.parametrize("status", [401, 429, 500])
def test_what_a_vendor_says_of_a_failure_shows_no_credential(
    vendors: dict[str, Emulator], connected: list[rec.Provider], status: int
) -> None:
    plivo = vendors["plivo"]
    echo = json.dumps({"error": f"bad auth_token {plivo.credentials['auth_token']}"}).encode()
    plivo.faults.extend([Reply(status, echo, {"Content-Type": "application/json"})] * 20)
    report = rec.report(accounts=connected, now=now(vendors))
    assert [each.provider for each in report.missing] == ["plivo"]
    assert plivo.credentials["auth_token"] not in report.to_json() + repr(report)


def test_a_plugins_bug_costs_its_own_rows_only(
    vendors: dict[str, Emulator], connected: list[rec.Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(type(connected[1]), "_page", crash)
    report = rec.report(accounts=connected, now=now(vendors))
    assert len(report.rows) == 3
    [missing] = report.missing
    assert isinstance(missing.error, rec.PluginError)
    assert "'plivo' failed as it listed account 'default': KeyError" in str(missing.error)


def test_a_row_that_cannot_be_read_makes_a_report_incomplete(
    vendors: dict[str, Emulator], connected: list[rec.Provider]
) -> None:
    def spoil(_: object, payload: Any) -> Any:
        for row in payload.get("objects", ())[:1]:
            row["recording_id"] = None
        return payload

    vendors["plivo"].alter = spoil
    report = rec.report(accounts=connected, now=now(vendors))
    [missing] = report.missing
    assert missing.coverage.unreadable > 0
    assert missing.error is None


def test_two_accounts_of_one_name_are_refused_before_anybody_is_asked(
    vendors: dict[str, Emulator], connected: list[rec.Provider]
) -> None:
    asked(vendors)
    with pytest.raises(rec.ConfigurationError, match="two accounts 'default' of audian"):
        rec.report(accounts=[*connected, connected[0]], now=now(vendors))
    assert set(asked(vendors).values()) == {0}


@pytest.mark.parametrize(
    ("wrong", "said"),
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
        ({"since": datetime(2026, 2, 1)}, "since"),  # noqa: DTZ001  # that is what is wrong
        ({"source": "a", "to": "b"}, "two folders"),
        ({"to": "nowhere://x"}, "cannot be opened"),
        ({"source": "not-there"}, "holds no collected recordings"),
    ],
)
def test_a_question_that_is_none_is_refused_before_anybody_is_asked(
    vendors: dict[str, Emulator],
    connected: list[rec.Provider],
    wrong: dict[str, Any],
    said: str,
) -> None:
    asked(vendors)
    with pytest.raises(ValueError, match=said):
        rec.report(accounts=connected, now=now(vendors), **wrong)
    assert set(asked(vendors).values()) == {0}


# -- again, into a folder -------------------------------------------------------------------------


def test_a_second_report_asks_only_for_what_may_have_changed(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    folder, since = tmp_path / "kept", now(vendors) - timedelta(days=100)

    def report() -> rec.Report:
        return rec.report(accounts=connected, since=since, to=folder, now=now(vendors))

    first = report()
    cold = asked(vendors)
    assert cold["plivo"] == 4  # windows of thirty days
    second = report()
    warm = asked(vendors)
    assert second.rows == first.rows
    assert second.complete
    assert warm["plivo"] == 1  # the last days alone
    assert warm["voipbin"] < cold["voipbin"]
    advance(vendors, timedelta(days=1))
    rec.report(
        accounts=connected,
        since=since,
        until=now(vendors) - timedelta(days=20),
        to=folder,
        now=now(vendors),
    )
    quiet = asked(vendors)
    assert quiet["plivo"] == quiet["audian"] == 0  # all of that is settled


def test_a_recording_that_is_made_between_two_reports_is_in_the_second(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    plivo, provider = vendors["plivo"], connected[1]
    args: dict[str, Any] = {"accounts": [provider], "to": tmp_path / "kept"}
    assert rec.report(**args, now=now(vendors)).totals["recordings"] == PAST
    session = provider.start(plivo.sessions[0])
    advance(vendors, timedelta(minutes=2))
    provider.stop(session)
    advance(vendors, timedelta(minutes=2))
    report = rec.report(**args, now=now(vendors))
    assert report.totals["recordings"] == PAST + 1 == len(list(provider.list()))


def test_what_somebody_deleted_goes_and_what_the_vendors_clock_removed_stays_as_expired(
    vendors: dict[str, Emulator], tmp_path: Path
) -> None:
    audian = vendors["audian"]
    with audian.connect(http=HASTE) as provider:
        newest = next(iter(provider.list()))
        args: dict[str, Any] = {"accounts": [provider], "to": tmp_path / "kept", "by": "status"}
        rec.report(**args, now=now(vendors))
        provider.delete(newest)
        advance(vendors, timedelta(hours=1))
        report = rec.report(**args, now=now(vendors))
        assert report.totals["recordings"] == PAST - 1
        advance(vendors, timedelta(days=60))  # longer than the vendor keeps anything
        assert list(provider.list()) == []
        report = rec.report(**args, now=now(vendors))
        statuses = {row["status"]: row["recordings"] for row in report.rows}
        assert report.totals["recordings"] == PAST - 1
        assert statuses["expired"] >= PAST - 3
        assert "available" not in statuses


def test_what_was_collected_is_read_without_asking_anybody(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    first = rec.report(accounts=connected, to=folder, now=now(vendors))
    asked(vendors)
    again = rec.report(source=folder, now=now(vendors))
    assert again.rows == first.rows
    assert again.complete
    assert set(asked(vendors).values()) == {0}
    assert {each.asked_at for each in again.coverage} == {now(vendors)}


def test_days_that_were_never_collected_are_no_complete_report(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    folder, since = tmp_path / "kept", now(vendors) - timedelta(days=10)
    rec.report(accounts=connected, since=since, to=folder, now=now(vendors))
    assert rec.report(source=folder, since=since, now=now(vendors)).complete
    longer = rec.report(source=folder, since=since - timedelta(days=5), now=now(vendors))
    assert not longer.complete
    assert "not collected into" in longer.missing[0].coverage.errors[0]
    assert "from 2026-05-17 to 2026-05-22" in longer.missing[0].coverage.errors[0]


def test_a_vendor_that_fails_leaves_what_was_collected_of_it(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    args: dict[str, Any] = {"accounts": connected, "to": tmp_path / "kept"}
    rec.report(**args, now=now(vendors))
    vendors["plivo"].stop()
    report = rec.report(**args, now=now(vendors))
    assert counted(report)["plivo"] == PAST
    assert [each.provider for each in report.missing] == ["plivo"]


def test_an_account_that_never_answered_is_missed_by_who_reads_the_folder(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    vendors["plivo"].stop()
    rec.report(accounts=connected, to=tmp_path / "kept", now=now(vendors))
    report = rec.report(source=tmp_path / "kept", now=now(vendors))
    [plivo] = report.missing
    assert (plivo.provider, plivo.asked_at) == ("plivo", None)
    assert "nothing of it was collected" in plivo.coverage.errors[0]
    assert report.totals["recordings"] == 3 * PAST


def test_days_after_the_last_sweep_are_no_complete_report(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    at = now(vendors)
    rec.report(accounts=connected, to=tmp_path / "kept", now=at)
    advance(vendors, timedelta(days=5))
    asked_to_date = rec.report(source=tmp_path / "kept", until=at, now=now(vendors))
    assert asked_to_date.complete
    stale = rec.report(source=tmp_path / "kept", until=now(vendors), now=now(vendors))
    assert len(stale.missing) == 4
    first = f"{at + timedelta(days=1):%Y-%m-%d}"
    assert all(f"from {first} to" in each.coverage.errors[0] for each in stale.missing)
    ahead = now(vendors) + timedelta(days=30)
    assert rec.report(
        accounts=connected, to=tmp_path / "kept", until=ahead, now=now(vendors)
    ).complete


def test_an_account_that_was_never_collected_is_no_complete_one(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    rec.report(accounts=connected, to=tmp_path / "kept", now=now(vendors))
    other = rec.Account("plivo", "of whom nobody heard")
    assert not rec.report(source=tmp_path / "kept", accounts=[other]).complete


def test_a_run_that_failed_in_the_middle_goes_on_where_it_was(
    vendors: dict[str, Emulator], tmp_path: Path
) -> None:
    plivo = vendors["plivo"]
    args: dict[str, Any] = {"since": now(vendors) - timedelta(days=100), "to": tmp_path / "kept"}

    def fail_at(third: object, payload: Any) -> Any:
        if len(plivo.requests()) >= 1:
            plivo.faults.append(Reply(500))
        return payload

    plivo.alter = fail_at
    with plivo.connect(http=HASTE) as provider:
        broken = rec.report(accounts=[provider], now=now(vendors), **args)
        assert not broken.complete
        assert 0 < broken.totals["recordings"] < PAST
        plivo.alter = None
        plivo.faults.clear()
        asked(vendors)
        whole = rec.report(accounts=[provider], now=now(vendors), **args)
        assert whole.complete
        assert whole.totals["recordings"] == PAST
        assert asked(vendors)["plivo"] < 4


def test_a_run_that_is_killed_goes_on_where_it_was(
    vendors: dict[str, Emulator], configured: Path, tmp_path: Path
) -> None:
    plivo = vendors["plivo"]
    plivo.latency = timedelta(milliseconds=250)
    code = (
        "import recording_core as rec, sys\n"
        "from datetime import datetime, timedelta\n"
        "now = datetime.fromisoformat(sys.argv[1])\n"
        "mine = [each for each in rec.configured_accounts() if each.provider == 'plivo']\n"
        "rec.report(accounts=mine, since=now - timedelta(days=360), to='kept', now=now)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, now(vendors).isoformat()]) as process:
        end = time.monotonic() + 30
        # That it was asked, and three sweeps.
        while len(list(Path("kept").glob("index/*/*/*"))) < 4 and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
    plivo.latency = timedelta(0)
    asked(vendors)
    with plivo.connect(account="support", http=HASTE) as provider:
        report = rec.report(
            accounts=[provider],
            since=now(vendors) - timedelta(days=360),
            to="kept",
            now=now(vendors),
        )
    assert report.complete
    assert report.totals["recordings"] == PAST
    assert asked(vendors)["plivo"] <= 11  # of thirteen windows, and the last days


@pytest.mark.parametrize("spoil", ["cut", "gone", "another schema"])
def test_a_damaged_part_is_named_by_who_reads_and_collected_anew_by_who_may_ask(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path, spoil: str
) -> None:
    args: dict[str, Any] = {"accounts": connected[1:2], "now": now(vendors)}
    folder = tmp_path / "kept"
    rec.report(to=folder, **args)
    part = min(folder.glob("rows/plivo/default/*.parquet"))
    if spoil == "cut":
        part.write_bytes(part.read_bytes()[:-20])
    elif spoil == "gone":
        part.unlink()
    else:
        pq.write_table(pa.table({"song": ["la"]}), part)
    error = rec.ConfigurationError if spoil == "another schema" else rec.StorageError
    with pytest.raises(error) as refused:
        rec.report(source=folder, now=now(vendors))
    assert part.name in str(refused.value)
    again = rec.report(to=folder, **args)
    assert again.complete
    assert again.totals["recordings"] == PAST
    assert rec.report(source=folder, now=now(vendors)).totals["recordings"] == PAST


def test_a_cut_off_index_is_named_by_who_reads_and_collected_anew_by_who_may_ask(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    args: dict[str, Any] = {"accounts": connected[1:2], "now": now(vendors)}
    folder = tmp_path / "kept"
    rec.report(to=folder, **args)
    entry = min(folder.glob("index/plivo/default/*.json"))
    entry.write_bytes(entry.read_bytes()[:100])
    with pytest.raises(rec.StorageError, match=entry.name):
        rec.report(source=folder, now=now(vendors))
    assert rec.report(to=folder, **args).totals["recordings"] == PAST


def test_a_folder_may_lie_at_a_url(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    for url in (f"file://{tmp_path}/kept", f"memory://{tmp_path.name}"):
        first = rec.report(accounts=connected, to=url, now=now(vendors))
        assert rec.report(source=url, now=now(vendors)).rows == first.rows
        assert first.totals["recordings"] == 4 * PAST


@pytest.mark.parametrize("name", ["a[1]", "of * all", "why?"])
def test_a_folders_name_is_no_pattern(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path, name: str
) -> None:
    for url in (f"{tmp_path}/{name}", f"memory://{tmp_path.name}/{name}"):
        for _ in range(2):
            first = rec.report(accounts=connected, to=url, now=now(vendors))
            assert first.totals["recordings"] == 4 * PAST
        assert rec.report(source=url, now=now(vendors)).rows == first.rows


class Hosted(MemoryFileSystem):  # type: ignore[misc]  # fsspec ships no types
    """A file system of which only the URL names the host, as with sftp or hdfs."""

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


def test_a_folder_may_lie_on_a_host_that_its_url_names(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    fsspec.register_implementation("hosted", Hosted, clobber=True)
    url = f"hosted://me:s3cr3t-word@host/{tmp_path.name}"
    first = rec.report(accounts=connected, to=url, now=now(vendors))
    assert rec.report(source=url, now=now(vendors)).rows == first.rows
    [part, *_] = [each for each in Hosted.store if "/rows/" in each and tmp_path.name in each]
    Hosted.store[part] = type(Hosted.store[part])(
        Hosted(host="host"), part, b"x" * len(Hosted.store[part].getvalue())
    )
    with pytest.raises(rec.StorageError, match="cannot be read as Parquet") as refused:
        rec.report(source=url, now=now(vendors))
    assert "s3cr3t" not in str(refused.value)


def test_sweeps_that_saw_one_recording_each_count_it_once(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    for _ in range(3):
        report = rec.report(accounts=connected, to=tmp_path / "kept", now=now(vendors))
        assert [each.coverage.seen for each in report.coverage] == [PAST] * 4
        advance(vendors, timedelta(hours=1))


def test_a_column_of_a_plugin_that_is_not_installed_any_more_can_be_grouped_by(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.shelf = [recording("a", created_at=shelf.clock.now())]
    team = plugin.Column("team", "text", "whose it is", lambda _: "support")
    monkeypatch.setattr(
        "recording_core.reporting.collect.collector.declared_columns", lambda: (team,)
    )
    rec.report(accounts=[shelf], to=tmp_path / "kept", now=shelf.clock.now())
    report = rec.report(source=tmp_path / "kept", by="team")
    assert [(row["team"], row["recordings"]) for row in report.rows] == [("support", 1)]
    with pytest.raises(rec.ConfigurationError, match="cannot group by 'taem'"):
        rec.report(source=tmp_path / "kept", by="taem")


def test_a_column_that_cannot_be_read_is_one_line_without_what_was_read(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: rec.Recording) -> str:
        raise ValueError("s3cr3t-word")

    shelf.shelf = [recording("a")]
    team = plugin.Column("team", "text", "whose it is", broken)
    monkeypatch.setattr(
        "recording_core.reporting.collect.collector.declared_columns", lambda: (team,)
    )
    [covered] = rec.report(accounts=[shelf]).coverage
    assert isinstance(covered.error, rec.PluginError)
    assert str(covered.error).startswith("the report's column 'team' (text) cannot be read")
    assert "\n" not in str(covered.error)
    assert "s3cr3t-word" not in str(covered.error)


def test_a_number_that_is_none_is_not_known(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.shelf = [recording("a")]
    score = plugin.Column("score", "number", "how good it is", lambda _: float("nan"))
    for module in ("collect.collector", "report"):
        monkeypatch.setattr(f"recording_core.reporting.{module}.declared_columns", lambda: (score,))
    report = rec.report(accounts=[shelf], by="score")
    assert json.loads(report.to_json())["rows"][0]["score"] is None


def test_sizes_beyond_all_reason_are_still_a_sum(shelf: Shelf) -> None:
    shelf.shelf = [recording(each, size=2**62) for each in "ab"]
    report = rec.report(accounts=[shelf])
    assert report.totals["bytes_known"] == 2
    assert report.totals["bytes"] > 2**53


# -- rows of every kind ---------------------------------------------------------------------------


class Shelf(rec.Provider):
    """A vendor whose answers a test writes."""

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


def recording(its_id: str, **facts: Any) -> rec.Recording:
    return rec.Recording("shelf", "default", its_id, **facts)


def test_rows_without_times_are_counted_once_however_often_they_are_seen(
    shelf: Shelf, tmp_path: Path
) -> None:
    at = shelf.clock.now()
    shelf.shelf = [recording("a"), recording("b", created_at=at), recording("c")]
    for days in (0, 1, 5):
        report = rec.report(
            accounts=[shelf], to=tmp_path / "kept", now=at + timedelta(days=days), by="day"
        )
        assert report.totals["recordings"] == 3
        assert report.coverage[0].coverage.undated == 2
    shelf.shelf[0] = recording("a", created_at=at + timedelta(days=4))  # now it has one
    report = rec.report(accounts=[shelf], to=tmp_path / "kept", now=at + timedelta(days=5))
    assert report.totals["recordings"] == 3


@pytest.mark.parametrize(
    "facts",
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
def test_an_odd_row_is_a_row(shelf: Shelf, tmp_path: Path, facts: dict[str, Any]) -> None:
    facts = {"id": "odd", "created_at": shelf.clock.now(), **facts}
    shelf.shelf = [recording(facts.pop("id"), **facts)]
    for _ in range(2):
        report = rec.report(accounts=[shelf], to=tmp_path / "kept", now=shelf.clock.now())
        assert report.complete
        assert report.totals["recordings"] == 1
    if facts.get("provider_status"):
        assert report.totals["unknown_words"] == ["WARPED"]


def test_an_incomplete_sweep_takes_nothing_away(shelf: Shelf, tmp_path: Path) -> None:
    at = shelf.clock.now()
    shelf.shelf = [recording(each, created_at=at) for each in "ab"]
    rec.report(accounts=[shelf], to=tmp_path / "kept", now=at)
    page = plugin.Page(shelf.shelf[:1], total=2, errors=("half of it was not there",))
    shelf._page = lambda *_: page  # type: ignore[method-assign]
    report = rec.report(accounts=[shelf], to=tmp_path / "kept", now=at + timedelta(hours=1))
    assert not report.complete
    assert report.totals["recordings"] == 2


# -- who does the work ----------------------------------------------------------------------------


def test_processes_collect_what_threads_do(
    vendors: dict[str, Emulator], configured: Path, tmp_path: Path
) -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as processes:
        report = rec.report(to=tmp_path / "kept", executor=processes, now=now(vendors))
        vendors["plivo"].stop()
        short = rec.report(executor=processes, now=now(vendors))
    assert report.complete
    assert counted(report) == dict.fromkeys(sorted(vendors), PAST)
    assert set(counted(short)) == {*vendors} - {"plivo"}
    assert [type(each.error) for each in short.missing] == [rec.Unavailable]


def test_a_worker_that_dies_costs_no_report(
    vendors: dict[str, Emulator], connected: list[rec.Provider]
) -> None:
    class Dying(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            job: Future[Any] = Future()
            if args[0].account.name == "plivo":
                job.set_exception(RuntimeError("the pool is broken"))
            else:
                job.set_result(fn(*args, **kwargs))
            return job

    report = rec.report(accounts=connected, executor=Dying(), now=now(vendors))
    assert len(report.rows) == 3
    assert "worker of plivo account 'default' failed" in str(report.missing[0].error)


def test_an_executor_that_takes_no_more_work_costs_no_report(configured: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        with pytest.raises(BrokenExecutor):
            executor.submit(os._exit, 1).result()
        report = rec.report(accounts=rec.find_accounts(configured), executor=executor)
    assert {type(each.error) for each in report.coverage} == {rec.RecordingError}
    assert "BrokenProcessPool" in str(report.coverage[0].error)


def test_an_engine_that_is_not_installed_says_so_before_anybody_is_asked(
    vendors: dict[str, Emulator], connected: list[rec.Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    asked(vendors)
    with pytest.raises(rec.ConfigurationError, match="spark needs pyspark"):
        rec.report(accounts=connected, engine="spark")
    with pytest.raises(rec.ConfigurationError, match="expiring must be"):
        rec.report(accounts=connected, expiring=timedelta.max)
    assert sum(asked(vendors).values()) == 0


def test_work_is_pickled_without_a_credential(
    vendors: dict[str, Emulator], configured: Path, tmp_path: Path
) -> None:
    for account in rec.find_accounts():
        work = Work(account, (plugin.Window(),), str(tmp_path), now(vendors))
        whole = pickle.dumps(work)
        assert pickle.loads(whole) == work
        done = pickle.dumps(collect(work))
        for value in vendors[account.provider].credentials.values():
            assert value.encode() not in whole + done + repr(work).encode()


def test_other_processes_are_given_only_what_they_can_use(
    vendors: dict[str, Emulator], connected: list[rec.Provider], configured: Path
) -> None:
    with ProcessPoolExecutor(1) as processes:
        with pytest.raises(rec.ConfigurationError, match="give Accounts"):
            rec.report(accounts=connected, executor=processes)
        with pytest.raises(rec.ConfigurationError, match="this process's memory"):
            rec.report(to="memory://x", executor=processes)


def test_no_credential_is_in_what_is_kept(
    vendors: dict[str, Emulator], connected: list[rec.Provider], tmp_path: Path
) -> None:
    rec.report(accounts=connected, to=tmp_path / "kept", now=now(vendors))
    for path in (tmp_path / "kept").rglob("*"):
        if path.is_file():
            kept = path.read_bytes()
            text = (
                pq.read_table(io.BytesIO(kept)).to_pylist() if path.suffix == ".parquet" else kept
            )
            for emulator in vendors.values():
                for name, value in emulator.credentials.items():
                    assert name == "account_id" or value not in repr(text)
            assert b"X-Amz-Signature" not in kept


def test_what_is_held_does_not_grow_with_what_there_is(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are written as soon as so many are held, and each part is one of them."""
    monkeypatch.setattr("recording_core.reporting.collect.collector._BATCH", 10)
    monkeypatch.setattr("recording_core.reporting.collect.collector._HELD", 40)
    at = shelf.clock.now()
    shelf.shelf = [recording(f"{number}", created_at=at) for number in range(1000)]
    sizes: list[int] = []
    write = Store.write

    def watched(*args: Any) -> Any:
        sizes.append(args[4].num_rows)
        return write(*args)

    monkeypatch.setattr(Store, "write", watched)
    report = rec.report(accounts=[shelf], now=at)
    assert report.totals["recordings"] == 1000
    assert max(sizes) <= 50


def test_nothing_is_left_behind(
    vendors: dict[str, Emulator],
    connected: list[rec.Provider],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rec.report(accounts=connected, now=now(vendors))
    assert os.listdir(tmp_path) == []
