"""Commands `archive`: copy, verify, expiring, list, compact and rebuild-index, at two vendors."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import recording_core as rec
from recording_core.archiving.index import KnownStates
from recording_core.cli.app import build_command_line
from recording_core.cli.commands.emulate import build_emulator
from recording_core.cli.output import archive_progress
from recording_core.cli.output.archive_progress import AccountProgress, show_archive_progress
from recording_core.testing import Emulator, Reply

PAST = 6
NAMES = ("audian", "realtimekit")
RECORDINGS = (
    sys.executable,
    "-c",
    "import sys; from recording_core.cli import main; sys.exit(main())",
)
PAGE = Reply(200, b"<html>Sorry</html>" * 10, {"Content-Type": "text/html"})


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build_command_line(), ("archive", *arguments), prog_name="recordings")


def read_fields(result: Result) -> list[dict[str, str]]:
    names, *rows = [line.split("\t") for line in result.stdout.splitlines()] or [[]]
    return [dict(zip(names, row, strict=True)) for row in rows]


def load_objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def started() -> Iterator[dict[str, Emulator]]:
    """Emulators on the wall clock; no test changes what they have."""
    emulators = {
        name: build_emulator(rec.providers()[name], recordings=PAST, processing=timedelta(0))
        for name in NAMES
    }
    for each in emulators.values():
        each.start()
    yield emulators
    for each in emulators.values():
        each.stop()


@pytest.fixture
def vendors(
    clean_environment: None, started: dict[str, Emulator], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Emulator]:
    """The environment variables of both accounts, in a folder of the test's own."""
    for name, emulator in started.items():
        emulator.faults.clear()
        emulator.media_faults.clear()
        monkeypatch.setenv(f"{name.upper()}_BASE_URL", emulator.base_url)
        for setting in rec.providers()[name].settings:
            if setting.name in emulator.credentials:
                monkeypatch.setenv(setting.env, emulator.credentials[setting.name])
    return started


@pytest.fixture
def audian(vendors: dict[str, Emulator]) -> Emulator:
    return vendors["audian"]


# -- copy -----------------------------------------------------------------------------------------


def test_copy_prints_a_line_per_account_and_a_second_run_copies_nothing(
    vendors: dict[str, Emulator],
) -> None:
    first = run("copy", "kept")
    assert first.exit_code == 0, first.stderr
    rows = read_fields(first)
    assert [row["provider"] for row in rows] == list(NAMES)
    copied = sum(int(row["copied"]) for row in rows)
    assert 0 < copied == len(list(Path("kept").rglob("record-*.json")))
    assert {row["complete"] for row in rows} == {"yes"}
    counts = ("copied", "already_there", "not_ready", "failed", "without_media")
    for row in rows:
        assert sum(int(row[name]) for name in counts) == PAST
    assert f"audian: {PAST} recordings seen in 1 page, complete" in first.stderr
    last = rf"Copied {copied} recordings, [\d.]+ [kM]B, in 0:\d\d, to kept\."
    assert re.fullmatch(last, first.stderr.splitlines()[-1])
    with vendors["audian"].log_requests("media") as requests:
        second = run("copy", "kept")
    assert second.exit_code == 0, second.stderr
    assert not requests
    assert sum(int(row["copied"]) for row in read_fields(second)) == 0


def test_copy_as_json_prints_an_event_per_recording_and_a_summary(audian: Emulator) -> None:
    audian.media_faults.append(PAGE)
    result = run("copy", "kept", "audian", "--json", "--workers", "1")
    assert result.exit_code == 3
    *events, last = load_objects(result)
    summary = last["summary"]
    copied = [each for each in events if each["event"] == "copied"]
    assert len(copied) == summary["copied"] > 0
    assert sum(each["bytes"] for each in copied) == summary["bytes"] > 0
    [failed] = [each for each in events if each["event"] == "failed"]
    assert failed["error"].startswith("NotMedia: ")
    assert (failed["provider"], failed["account"]) == ("audian", "default")
    assert (summary["failed"], summary["complete"], summary["archive"]) == (1, False, "kept")
    assert summary["coverage"][0]["complete"] is True
    assert summary["nearest_expiry"] is not None


def test_copy_names_what_failed_and_the_next_run_copies_it(audian: Emulator) -> None:
    audian.media_faults.append(PAGE)
    result = run("copy", "kept", "audian", "--workers", "1")
    assert result.exit_code == 3
    [row] = read_fields(result)
    assert (row["failed"], row["complete"]) == ("1", "no")
    [failure] = [line for line in result.stderr.splitlines() if line.startswith("Failed: ")]
    assert re.match(r"Failed: audian default (\S+): audian \1: The media host returned", failure)
    assert "is removed by its vendor at" in result.stderr
    again = run("copy", "kept", "audian")
    assert again.exit_code == 0
    assert read_fields(again)[0]["copied"] == "1"


def test_copy_shows_the_first_failures_and_counts_the_others(
    audian: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recording_core.cli.output.archive_run._MOST_SHOWN", 1)
    audian.media_faults.extend([PAGE] * 2)
    result = run("copy", "kept", "audian", "--workers", "1")
    assert result.stderr.count("\nFailed: ") + result.stderr.startswith("Failed: ") == 2
    assert "Failed: 1 more; --json names each." in result.stderr


def test_an_account_that_cannot_be_listed_stops_no_other(
    vendors: dict[str, Emulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REALTIMEKIT_API_TOKEN", "wrong-token-of-forty-characters-00000000")
    result = run("copy", "kept")
    assert result.exit_code == 3
    audian, kit = read_fields(result)
    assert int(audian["copied"]) > 0
    assert (audian["complete"], kit["complete"]) == ("yes", "no")
    assert "Error: realtimekit: " in result.stderr
    assert "REALTIMEKIT_API_TOKEN" in result.stderr
    alone = run("copy", "kept", "realtimekit")
    assert alone.exit_code == 1
    assert alone.stderr.count("Error: ") == 1
    assert "REALTIMEKIT_API_TOKEN" in alone.stderr


def test_an_account_that_was_listed_in_part_is_not_an_error_of_the_command(
    audian: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(self: rec.Archive, accounts: list[rec.Account], **options: Any) -> rec.ArchiveRun:
        options["on_progress"](rec.ArchiveProgress("copied", "audian", "default", "R1", files=1))
        error = rec.Unavailable("page 2 failed", provider="audian", operation="list")
        coverage = rec.AccountCoverage("audian", "default", rec.Coverage(), error=error)
        return rec.ArchiveRun(copied=1, coverage=(coverage,))

    monkeypatch.setattr(rec.Archive, "copy", copy)
    result = run("copy", "kept", "audian")
    assert result.exit_code == 3
    assert "Error: audian: audian list: page 2 failed" in result.stderr


def test_copy_takes_one_part_of_several(audian: Emulator) -> None:
    counts = [
        int(read_fields(run("copy", "kept", "audian", "--shard", f"{each}/2"))[0]["copied"])
        for each in (0, 1)
    ]
    whole = run("copy", "kept", "audian", "--since", "90d")
    assert sum(counts) == int(read_fields(whole)[0]["already_there"]) > max(counts)
    assert read_fields(whole)[0]["copied"] == "0"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--shard", "2/2"), "parts are counted from 0, so that the last of 2 is 1/2"),
        (("--shard", "1"), "is not NUMBER/PARTS, such as 3/16"),
        (("--share", "0"), "share must be above 0"),
        (("--share", "150%"), "is not a part such as 5% or 0.05"),
        (("--workers", "0"), "0 is not in the range"),
        (("--since", "today", "--until", "yesterday"), "since must not be after until"),
        (("--since", "3m"), "may mean minutes or months"),
    ],
)
def test_wrong_options_of_copy(audian: Emulator, option: tuple[str, ...], message: str) -> None:
    with audian.forbid_requests():
        result = run("copy", "kept", *option)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not Path("kept").exists()


def test_copy_writes_metrics_and_keeps_the_last_success(audian: Emulator) -> None:
    def read_metrics() -> dict[str, float]:
        lines = Path("x.prom").read_text().splitlines()
        samples = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
        return {name: float(value) for name, value in samples}

    labels = '{provider="audian",account="default"}'
    success = f"recordings_archive_last_success_timestamp_seconds{labels}"
    assert run("copy", "kept", "audian", "--metrics", "x.prom").exit_code == 0
    before = read_metrics()
    assert before[success] == pytest.approx(time.time(), abs=60)
    assert before[f"recordings_archive_copied{labels}"] > 0
    assert before[f"recordings_archive_bytes{labels}"] > 0
    assert not any("nearest_expiry" in name for name in before)
    audian.media_faults.append(PAGE)
    assert run("copy", "other", "audian", "--metrics", "x.prom").exit_code == 3
    after = read_metrics()
    assert after[success] == before[success]
    assert after[f"recordings_archive_failed{labels}"] == 1
    assert after[f"recordings_archive_complete{labels}"] == 0
    assert after["recordings_archive_nearest_expiry_timestamp_seconds"] > time.time()


def test_plain_lines_show_the_progress_of_a_long_run(
    audian: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_progress, "_LINE_SECONDS", 0.0)
    result = run("copy", "kept", "audian", "--workers", "1")
    lines = [line for line in result.stderr.splitlines() if " of 6" in line]
    assert any(re.fullmatch(r"audian: \d of 6.recordings, .* files?, .*/s, 0:\d\d left", line)
               for line in lines), result.stderr  # fmt: skip
    assert "/s" not in run("copy", "again", "audian", "--json").stderr


def test_bars_show_the_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    accounts = {("plivo", each): AccountProgress("plivo", each, f"plivo {each}") for each in "ab"}
    with show_archive_progress(accounts, parts=2, plain=True) as receive:
        receive(rec.ArchiveProgress("listing", "plivo", "a", count=0, expected=20))
        receive(rec.ArchiveProgress("copied", "plivo", "a", "R1", files=2, bytes=3_000_000))
        receive(rec.ArchiveProgress("failed", "plivo", "a", "R2"))
        receive(rec.ArchiveProgress("listed", "plivo", "b", count=0, expected=0))
    shown = terminal.getvalue().replace("\N{NO-BREAK SPACE}", " ")
    assert re.search(r"plivo a .*2 of 10 recordings, 2 files, 3.0 MB, .*/s, 1 failed", shown)
    assert re.search(r"plivo b .*0 of 0 recordings", shown)
    assert "left" in accounts["plivo", "a"].describe()


def test_a_signal_ends_a_copy_and_the_next_run_goes_on(vendors: dict[str, Emulator]) -> None:
    slow = build_emulator(
        rec.providers()["audian"], recordings=30, processing=timedelta(0),
        latency=timedelta(milliseconds=100),
    )  # fmt: skip
    with slow:
        environment = {
            **os.environ, "AUDIAN_BASE_URL": slow.base_url,
            "AUDIAN_API_KEY": slow.credentials["api_key"],
        }  # fmt: skip
        command = (*RECORDINGS, "archive", "copy", "kept", "audian", "--json", "--workers", "2")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            events: list[dict[str, Any]] = []
            while not any(each["event"] == "copied" for each in events):
                events.append(json.loads(process.stdout.readline()))
            process.send_signal(signal.SIGTERM)
            events += map(json.loads, process.stdout)
            assert process.wait(20) == 128 + signal.SIGTERM
            message = process.stderr.read()
        summary = events.pop()["summary"]
        copied = sum(each["event"] == "copied" for each in events)
        assert 0 < summary["copied"] == copied < 29
        assert not [each for each in events if each["event"] == "failed"]
        assert summary["complete"] is False
        assert f"Interrupted. Copied {copied} recording" in message
        assert "the next run goes on" in message
        assert not list(Path("kept").rglob("*.part"))
        records = len(list(Path("kept").rglob("record-*.json")))
        assert copied <= records <= copied + 2  # a copy may end while the signal arrives
        slow.latency = timedelta(0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AUDIAN_BASE_URL", slow.base_url)
            patch.setenv("AUDIAN_API_KEY", slow.credentials["api_key"])
            [row] = read_fields(run("copy", "kept", "audian"))
        assert int(row["copied"]) + records == len(list(Path("kept").rglob("record-*.json")))
        assert row["complete"] == "yes"


# -- verify, list, expiring and the index ---------------------------------------------------------


def test_verify_names_what_is_missing_and_changed(audian: Emulator) -> None:
    run("copy", "kept", "audian")
    good = run("verify", "kept")
    assert (good.exit_code, good.stdout) == (0, "")
    records = len(list(Path("kept").rglob("record-*.json")))
    assert f"kept: {records} recordings, {records} files, {records} hashed; 0 missing" in (
        good.stderr
    )
    first, second, third = list(Path("kept/audian").rglob("mix-*"))[:3]
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1] + b"!")
    next(third.parent.glob("record-*")).write_bytes(b"{")
    damaged = run("verify", "kept")
    assert damaged.exit_code == 3
    problems = {row["problem"]: row["description"] for row in read_fields(damaged)}
    assert set(problems) == {"missing", "changed", "unreadable"}
    assert first.name in problems["missing"]
    *rows, last = load_objects(run("verify", "kept", "--json", "--sample", "0"))
    assert {row["kind"] for row in rows} == {"missing", "unreadable"}
    summary = last["summary"]
    assert (summary["missing"], summary["unreadable"], summary["hashed"]) == (1, 1, 0)
    assert summary["ok"] is False
    assert "`recordings archive rebuild-index kept` and `recordings" in damaged.stderr
    for path in (second, *(next(each.parent.glob("record-*")) for each in (first, second, third))):
        path.unlink()
    run("rebuild-index", "kept")
    assert read_fields(run("copy", "kept", "audian", "--since", "100d"))[0]["copied"] == "3"
    assert run("verify", "kept").exit_code == 0


def test_verify_removes_old_garbage_if_it_may(audian: Emulator) -> None:
    run("copy", "kept", "audian")
    folder = next(Path("kept/audian").rglob("record-*")).parent
    garbage = folder / "mix-0123456789abcdef.wav"
    garbage.write_bytes(b"torn")
    found = run("verify", "kept")
    assert found.exit_code == 0
    assert "1 file (4 B) that no record needs" in found.stderr
    young = run("verify", "kept", "--clean")
    assert "too young to be removed" in young.stderr
    os.utime(garbage, (0, 0))
    assert "Removed 1" in run("verify", "kept", "--clean").stderr
    assert not garbage.exists()


@pytest.mark.parametrize("command", ["verify", "list", "compact", "rebuild-index"])
def test_a_wrong_path_does_not_look_like_an_archive_without_damage(
    audian: Emulator, command: str
) -> None:
    result = run(command, "kpet")
    assert result.exit_code == 1
    assert "kpet holds no archive: check the path" in result.stderr


def test_list_prints_the_recordings_and_their_records(audian: Emulator) -> None:
    run("copy", "kept", "audian")
    with audian.forbid_requests():
        result = run("list", "kept")
        as_json = run("list", "kept", "--json")
    assert result.exit_code == 0
    rows = read_fields(result)
    for row in rows:
        assert Path("kept", row["record"]).is_file()
        assert row["verified"] == "yes"
    assert {each["recording"]["id"] for each in load_objects(as_json)} == {
        row["recording"] for row in rows
    }
    assert "?" not in "".join(re.findall(r'"url": "[^"]*"', as_json.stdout))


def test_expiring_lists_what_has_no_copy_and_prints_the_next_command(
    vendors: dict[str, Emulator],
) -> None:
    result = run("expiring", "kept", "--within", "30d")
    assert result.exit_code == 3
    rows = read_fields(result)
    assert {row["provider"] for row in rows} <= set(NAMES)
    command = re.search(r"`recordings archive (copy [^`]+)` now", result.stderr)
    assert command is not None
    assert run(*command[1].split()).exit_code == 0
    after = run("expiring", "kept", "--within", "30d", "--json")
    left = [each for each in load_objects(after) if "id" in each]
    assert (after.exit_code, left) == (0, [])
    assert sum("coverage" in each for each in load_objects(after)) == 2
    soon = run("expiring", "other", "audian", "--within", "1s")
    assert (soon.exit_code, read_fields(soon)) == (0, [])


def test_expiring_does_not_advise_to_copy_again_what_has_a_doubt(
    audian: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(self: KnownStates, recording_id: str, state: str, copies: int, doubts: int) -> None:
        add_copy(self, recording_id, state, copies, 1)

    run("copy", "kept", "audian")
    add_copy = KnownStates.add
    monkeypatch.setattr(KnownStates, "add", add)
    result = run("expiring", "kept", "audian", "--within", "30d")
    assert (result.exit_code, bool(read_fields(result))) == (3, True)
    assert "is not verified: `recordings archive verify kept --sample 0` describes why" in (
        result.stderr
    )
    assert "without a copy" not in result.stderr


def test_expiring_names_an_account_that_cannot_be_listed(
    vendors: dict[str, Emulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REALTIMEKIT_API_TOKEN", "wrong-token-of-forty-characters-00000000")
    result = run("expiring", "kept", "--within", "1s")
    assert result.exit_code == 3
    assert "Error: realtimekit: " in result.stderr
    assert run("expiring", "kept", "realtimekit", "--within", "1s").exit_code == 1


def test_the_index_is_compacted_and_written_again(audian: Emulator) -> None:
    run("copy", "kept", "audian", "--shard", "0/2")
    run("copy", "kept", "audian", "--shard", "1/2")
    assert "merged 2 files" in run("compact", "kept").stderr
    assert "there is nothing to merge" in run("compact", "kept").stderr
    for path in Path("kept/index").iterdir():
        path.unlink()
    result = run("rebuild-index", "kept")
    records = len(list(Path("kept").rglob("record-*.json")))
    assert f"{records} records" in result.stderr
    with audian.log_requests("media") as requests:
        run("copy", "kept", "audian")
    assert not requests


# -- report ---------------------------------------------------------------------------------------


def test_a_report_from_the_archive_sends_no_request(vendors: dict[str, Emulator]) -> None:
    copied = sum(int(row["copied"]) for row in read_fields(run("copy", "kept")))
    with vendors["audian"].forbid_requests(), vendors["realtimekit"].forbid_requests():
        result = CliRunner().invoke(build_command_line(), ("report", "--from", "kept", "--json"))
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["complete"] is True
    assert report["totals"]["recordings"] == copied
    size = sum(
        path.stat().st_size
        for path in Path("kept").rglob("*-*.*")
        if "index" not in path.parts and path.suffix != ".json"
    )
    assert report["totals"]["bytes"] == size
