"""Commands `report`, `compare` and `missing`, against four emulated vendors."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import recording_core as rec
from recording_core.cli.app import build_command_line
from recording_core.cli.commands import report
from recording_core.cli.commands.emulate import build_emulator
from recording_core.reporting.compare import compare
from recording_core.reporting.compute.measures import MEASURES
from recording_core.testing import Emulator

PAST = 6
RECORDINGS = (
    sys.executable,
    "-c",
    "import sys; from recording_core.cli import main; sys.exit(main())",
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build_command_line(), arguments, prog_name="recordings")


def split_rows(result: Result) -> list[list[str]]:
    """Split the lines of a pipe, without the names of the fields, which are the first line."""
    names, *rows = [line.split("\t") for line in result.stdout.splitlines()] or [[""]]
    assert "".join(names) == "".join(names).lower()
    assert {len(row) for row in rows} <= {len(names)}
    return rows


pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture
def vendors(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Emulator]]:
    """Four emulated vendors on the wall clock, to which the environment variables point."""
    started: dict[str, Emulator] = {}
    for name, info in rec.providers().items():
        emulator = build_emulator(info, recordings=PAST, processing=timedelta(0)).start()
        started[name] = emulator
        monkeypatch.setenv(f"{name.upper()}_BASE_URL", emulator.base_url)
        for setting in info.settings:
            if setting.name in emulator.credentials:
                monkeypatch.setenv(setting.env, emulator.credentials[setting.name])
    yield started
    for emulator in started.values():
        emulator.stop()


# -- report ---------------------------------------------------------------------------------------


def test_report_in_a_pipe_prints_fields(vendors: dict[str, Emulator]) -> None:
    result = run("report", "--since", "100d")
    assert result.exit_code == 0, result.stderr
    assert [line[:2] for line in split_rows(result)] == [[name, str(PAST)] for name in vendors]
    assert len({len(line) for line in split_rows(result)}) == 1
    for name in vendors:
        assert f"{name}: {PAST} recordings seen" in result.stderr


def test_report_as_json_has_the_documented_shape(vendors: dict[str, Emulator]) -> None:
    result = run("report", "--json", "--by", "provider,day", "--tz", "Europe/Berlin")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert list(report) == ["rows", "totals", "coverage", "window", "complete", "attention"]
    assert sum(row["recordings"] for row in report["rows"]) == len(vendors) * PAST
    plivo = [row for row in report["rows"] if row["provider"] == "plivo"]
    assert {(row["bytes"], row["bytes_known"]) for row in plivo} == {(None, 0)}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", row["day"]) for row in report["rows"])
    assert report["window"]["tz"] == "Europe/Berlin"
    assert report["complete"] is True


def test_a_failed_vendor_is_reported_first_with_exit_code_3(
    vendors: dict[str, Emulator],
) -> None:
    vendors["plivo"].stop()
    result = run("report", "--json", "--config", write_config(vendors))
    assert result.exit_code == 3
    report = json.loads(result.stdout)
    assert [row["provider"] for row in report["rows"]] == [
        name for name in vendors if name != "plivo"
    ]
    [missing] = [each for each in report["coverage"] if not each["complete"]]
    assert (missing["provider"], missing["account"]) == ("plivo", "default")
    assert missing["error"].startswith("Unavailable: plivo list: ")
    assert result.stderr.startswith("MISSING: plivo: plivo list: ")


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_a_missing_account_has_a_row_without_figures_and_stands_beside_the_table(
    vendors: dict[str, Emulator], form: str
) -> None:
    vendors["plivo"].stop()
    result = run("report", "--output", f"x.{form}", "--config", write_config(vendors))
    assert result.exit_code == 3
    if form == "csv":
        text = Path("x.csv").read_text()
        rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(text)))
        described = json.loads(Path("x.coverage.json").read_text())
    else:
        table = (
            pq.read_table("x.parquet")
            if form == "parquet"
            else pa.ipc.open_file("x.arrow").read_all()
        )
        rows = table.to_pylist()
        described = json.loads(table.schema.metadata[b"recording_core.report"])
    *others, missing = rows
    assert [row["provider"] for row in others] == [name for name in vendors if name != "plivo"]
    assert not any(row["missing_account"] for row in others)
    assert {name for name, value in missing.items() if value} == {"provider", "missing_account"}
    assert missing["missing_account"] == "plivo default"
    assert described["complete"] is False
    assert described["missing"] == [{"provider": "plivo", "account": "default"}]
    assert list(described["window"]) == ["since", "until", "tz", "now"]
    [plivo] = [each for each in described["coverage"] if each["provider"] == "plivo"]
    assert plivo["error"].startswith("Unavailable")


def test_a_changed_byte_in_a_folder_needs_attention_until_it_is_collected_again(
    vendors: dict[str, Emulator],
) -> None:
    config = ("--config", write_config(vendors))
    assert run("report", "--to", "kept", *config).exit_code == 0
    part = min(Path("kept").glob("rows/plivo/default/*.parquet"))
    data = part.read_bytes()
    part.write_bytes(data[:60] + bytes([data[60] ^ 1]) + data[61:])
    stored = run("report", "--from", "kept", "--json")
    assert stored.exit_code == 3
    assert "NOT COMPLETE: plivo" in stored.stderr
    assert f"{part} has another SHA-256 than was collected" in stored.stderr
    assert len(json.loads(stored.stdout)["rows"]) == len(vendors)
    healed = run("report", "--to", "kept", *config)
    assert healed.exit_code == 0
    assert f"plivo: {part} has another SHA-256" in healed.stderr
    assert "collected again, " in healed.stderr
    assert run("report", "--from", "kept").exit_code == 0


def read_metrics(path: str) -> dict[str, float]:
    lines = Path(path).read_text().splitlines()
    samples = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in samples}


def test_metrics_are_written_for_prometheus_and_keep_the_last_success(
    vendors: dict[str, Emulator],
) -> None:
    config = write_config(vendors)
    assert run("report", "--metrics", "x.prom", "--config", config).exit_code == 0
    before = read_metrics("x.prom")
    plivo = '{provider="plivo",account="default"}'
    assert before[f"recordings_listed{plivo}"] == PAST
    assert before[f"recordings_complete{plivo}"] == 1
    for name in ("failed", "unknown_words", "unread_fields", "not_listable", "expiring"):
        assert f"recordings_{name}{plivo}" in before
    now = time.time()
    assert before[f"recordings_last_success_timestamp_seconds{plivo}"] == pytest.approx(now, abs=60)
    kit = plivo.replace("plivo", "realtimekit")
    assert before[f"recordings_nearest_expiry_timestamp_seconds{kit}"] > now
    types = re.findall(r"^# TYPE (\w+) gauge$", Path("x.prom").read_text(), re.MULTILINE)
    assert {name.partition("{")[0] for name in before} <= set(types)
    vendors["plivo"].stop()
    time.sleep(0.01)
    assert run("report", "--metrics", "x.prom", "--config", config).exit_code == 3
    after = read_metrics("x.prom")
    assert after[f"recordings_complete{plivo}"] == 0
    assert f"recordings_failed{plivo}" not in after  # unknown is not 0
    success = f"recordings_last_success_timestamp_seconds{plivo}"
    assert after[success] == before[success]
    other = success.replace("plivo", "audian")
    assert after[other] > before[other]
    assert [each.name for each in Path().glob("x.prom*")] == ["x.prom"]


@pytest.mark.long
def test_report_as_csv_for_machines_and_for_spreadsheets(vendors: dict[str, Emulator]) -> None:
    def change_name(_: object, payload: Any) -> Any:
        for row in payload.get("objects", []):
            row["conference_name"] = row["conference_name"] and "=1+2"
        return payload

    vendors["plivo"].alter = change_name
    config = write_config(vendors)
    by = ("report", "--by", "session_id", "--config", config)
    raw, protected, excel = (
        run(*by, "--raw").stdout,
        run(*by, "--format", "csv").stdout,
        run(*by, "--excel").stdout,
    )
    assert "\n=1+2," in raw
    assert "\n'=1+2," in protected
    assert "\n'=1+2;" in excel
    assert excel.startswith("\ufeffsession_id;recordings;")
    assert run(*by, "--raw", "--excel").exit_code == 2
    assert run(*by, "--raw", "--json").exit_code == 2
    result = run(*by, "--output", "x.pdf")
    assert result.exit_code == 2
    assert ".csv, .json" in result.stderr


def test_counts_that_ask_for_action_have_their_recordings_and_a_command(
    vendors: dict[str, Emulator],
) -> None:
    def change_status(_: object, payload: Any) -> Any:
        for row in payload.get("data", []) if isinstance(payload.get("data"), list) else []:
            row["status"] = "ERRORED"
        return payload

    vendors["realtimekit"].alter = change_status
    result = run("report", "--json", "--expiring", "30d")
    attention = json.loads(result.stdout)["attention"]
    assert len(attention["failed"]["recordings"]) >= attention["failed"]["count"] > 0
    for name, found in attention.items():
        assert found["count"] == len(found["recordings"])
        program, *arguments = shlex.split(found["command"])
        assert program == "recordings"
        listed = run(*arguments, "--json")
        ids = {json.loads(line).get("id") for line in listed.stdout.splitlines()} - {None}
        assert ids == {each["recording_id"] for each in found["recordings"]}, name


def write_config(vendors: dict[str, Emulator]) -> str:
    """Write a configuration file without retries; returns its path."""
    Path("config.toml").write_text(
        "".join(f'[[account]]\nprovider = "{name}"\nhttp = {{ retries = 0 }}\n' for name in vendors)
    )
    return "config.toml"


@pytest.mark.parametrize("options", [(), ("--config", "config.toml")])
def test_an_account_that_is_not_accepted_names_what_to_check(
    vendors: dict[str, Emulator], monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    """Also if an account of a file uses the variables of the environment."""
    write_config(vendors)
    monkeypatch.setenv("PLIVO_AUTH_TOKEN", "wrong-token")
    result = run("report", "--since", "1d", *options)
    assert result.exit_code == 3
    assert result.stderr.count("plivo: check PLIVO_AUTH_ID and PLIVO_AUTH_TOKEN.\n") == 1


def test_report_fails_if_every_vendor_fails(vendors: dict[str, Emulator]) -> None:
    for emulator in vendors.values():
        emulator.stop()
    result = run("report", "--config", write_config(vendors))
    assert result.exit_code == 1
    assert result.stderr.endswith("Error: No account could be collected: see the errors above\n")


def read_providers(data: bytes, form: str) -> list[str]:
    """Return the provider of each row of a report."""
    if form == "csv":
        return [row["provider"] for row in csv.DictReader(io.StringIO(data.decode()))]
    if form == "json":
        return [row["provider"] for row in json.loads(data)["rows"]]
    if form == "html":
        return [name for name in rec.providers() if name in data.decode()]
    read = pq.read_table if form == "parquet" else lambda file: pa.ipc.open_file(file).read_all()
    return list(read(pa.BufferReader(data))["provider"].to_pylist())


def test_report_in_every_format(vendors: dict[str, Emulator]) -> None:
    run("report", "--to", "stored")
    for form in ("csv", "json", "parquet", "arrow", "html"):
        to_a_file = run("report", "--from", "stored", "--output", f"out/report.{form}")
        assert (to_a_file.exit_code, to_a_file.stdout) == (0, "")
        assert f"Wrote out/report.{form}" in to_a_file.stderr
        assert read_providers(Path(f"out/report.{form}").read_bytes(), form) == list(vendors)
    for form, more in (("arrow", ()), ("csv", ("--output", "-"))):
        to_a_pipe = run("report", "--from", "stored", "--format", form, *more)
        assert read_providers(to_a_pipe.stdout_bytes, form) == list(vendors)
    assert not Path("-").exists()


def test_report_from_a_stored_folder(vendors: dict[str, Emulator]) -> None:
    first = run("report", "--to", "stored")
    for emulator in vendors.values():
        emulator.stop()
    again = run("report", "--from", "stored")
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert run("report", "--from", "stored", "--since", "2d").exit_code == 0


def test_report_on_several_accounts_of_one_vendor(vendors: dict[str, Emulator]) -> None:
    info = rec.providers()["plivo"]
    with build_emulator(info, recordings=4, processing=timedelta(0), seed=5) as sales:
        given = {"name": "sales", "base_url": sales.base_url, **sales.credentials}
        settings = "".join(f'{key} = "{value}"\n' for key, value in given.items())
        Path("recordings.toml").write_text(
            f'[[account]]\nprovider = "plivo"\nallow_clear = true\n{settings}'
        )
        Path("recordings.toml").chmod(0o600)
        result = run("report", "--by", "provider,account")
    assert [line[:3] for line in split_rows(result) if line[0] == "plivo"] == [
        ["plivo", "default", str(PAST)],
        ["plivo", "sales", "4"],
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--since", "1d", "--until", "2d"), 2, "the window is empty"),
        (("--since", "2026-01-01", "--until", "2026-01-01"), 2, "the window is empty"),
        (("--tz", "Mars/Base"), 2, "no time zone is named 'Mars/Base'"),
        (("--by", "providers"), 2, "cannot group by 'providers'; possible are hour, day"),
        (("--by", "day,day"), 2, "names a grouping twice"),
        (("--json", "--format", "csv"), 2, "contradict each other"),
        (("--config", "nowhere.toml"), 1, "nowhere.toml cannot be read"),
        (("--from", "nowhere"), 1, "nowhere holds no collected recordings"),
        (("--from", "a", "--to", "b"), 2, "two folders"),
        (("--prices", "nowhere.toml"), 1, "nowhere.toml"),
    ],
)
def test_a_wrong_argument_of_report_is_an_error_without_a_request(
    vendors: dict[str, Emulator], arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = run("report", *arguments)
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert result.stdout == ""
    assert all(emulator.list_requests() == [] for emulator in vendors.values())


def test_report_without_accounts_is_an_error() -> None:
    result = run("report")
    assert result.exit_code == 1
    assert "No account is configured" in result.stderr


def test_report_names_unknown_status_values(vendors: dict[str, Emulator]) -> None:
    def change_status(_: object, payload: Any) -> Any:
        for row in payload.get("data") or ():
            if isinstance(row, dict) and row.get("status") == "UPLOADED":
                row["status"] = "TELEPORTED"
        return payload

    vendors["realtimekit"].alter = change_status
    result = run("report")
    assert "realtimekit: unknown status values: TELEPORTED" in result.stderr


@pytest.mark.long
def test_report_writes_into_an_existing_pipe(vendors: dict[str, Emulator]) -> None:
    os.mkfifo("pipe")
    with subprocess.Popen(("cat", "pipe"), stdout=subprocess.PIPE) as reader:
        result = run("report", "--format", "csv", "--output", "pipe")
        written, _ = reader.communicate(timeout=30)
    assert result.exit_code == 0
    assert written.startswith(b"provider,recordings,")
    assert Path("pipe").is_fifo()


def test_a_duration_beyond_the_calendar_is_wrong_usage() -> None:
    result = run("report", "--expiring", "9999999d")
    assert result.exit_code == 2
    assert "ends before the year 10000" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_report_leaves_no_files(
    vendors: dict[str, Emulator], tmp_path: Path, number: signal.Signals
) -> None:
    for emulator in vendors.values():
        emulator.latency = timedelta(seconds=3)
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    with subprocess.Popen(
        (*RECORDINGS, "report"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        end = time.monotonic() + 20
        while not list((tmp_path / "temporary").iterdir()) and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(number)
        assert process.wait(2) == 128 + number
        note = b"Interrupted while recordings were collected: nothing was written."
        assert b"".join(process.communicate()).strip() == note
    assert list((tmp_path / "temporary").iterdir()) == []


def test_report_on_a_terminal(vendors: dict[str, Emulator]) -> None:
    vendors["plivo"].stop()
    write_config(vendors)
    for width in (80, 140):
        text = run_on_terminal(
            width, "report", "--by", "provider,status", "--config", "config.toml"
        )
        plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "")
        shown = plain.splitlines()
        first = next(index for index, line in enumerate(shown) if line.strip())
        assert "MISSING: plivo" in "".join(shown[first : first + 2])
        [audian] = [line for line in shown if re.match(r"audian +available +█", line)]
        assert len(audian) <= width
        assert any(re.match(rf"total +{PAST * (len(vendors) - 1)} ", line) for line in shown)
        heading = next(line for line in shown if line.startswith("provider"))
        assert ("peak" in heading) is (width == 140)


@pytest.mark.long
def test_the_title_of_a_report_uses_its_time_zone(vendors: dict[str, Emulator]) -> None:
    run("report", "--to", "stored")
    window = ("--since", "2026-01-31T23:30Z", "--until", "2026-06-30T22:00Z")
    text = run_on_terminal(
        100, "report", "--from", "stored", *window, "--tz", "Europe/Berlin", exit_code=0
    )
    assert "Recordings from 2026-02-01 00:30 to 2026-07-01 00:00 (Europe/Berlin)" in text


@pytest.mark.parametrize(
    ("name", "known"),
    [(each.name, each.known) for each in MEASURES if each.known and each.name in report.SHOWN],
)
def test_a_value_that_is_known_for_some_recordings_is_marked(name: str, known: str) -> None:
    row = {"recordings": 12, name: 7, known: 9}
    assert report._format_cell(row, name, str) == "7 *9"
    assert report._format_cell({**row, known: 12}, name, str) == "7"


def run_on_terminal(width: int, *arguments: str, exit_code: int = 3) -> str:
    """Run a command on a pseudo-terminal of that width; returns what it printed."""
    pty = pytest.importorskip("pty")
    parent, child = pty.openpty()
    with subprocess.Popen(
        (*RECORDINGS, *arguments),
        stdout=child,
        stderr=subprocess.DEVNULL,
        stdin=child,
        env={**os.environ, "COLUMNS": str(width), "TERM": "xterm", "NO_COLOR": ""},
    ) as process:
        os.close(child)
        text = b""
        try:
            while part := os.read(parent, 65536):
                text += part
        except OSError:
            pass  # the end of a pseudo-terminal
        os.close(parent)
        assert process.wait(20) == exit_code
    return text.decode()


# -- compare --------------------------------------------------------------------------------------


def test_compare_reports_what_the_other_vendor_does_not_support() -> None:
    result = run("compare", "plivo", "realtimekit")
    assert result.exit_code == 0
    found = {(line[0], line[1]): line[4] for line in split_rows(result)}
    assert found["call", "record a call"] == "lost"
    assert found["meeting", "delete"] == "lost"
    assert found["meeting", "start with tracks"] == "gained"
    assert found["meeting", "format mp3"] == ""
    lost = run("compare", "plivo", "realtimekit", "--lost", "--json")
    assert all(json.loads(line)["lost"] for line in lost.stdout.splitlines())
    assert len(lost.stdout.splitlines()) == list(found.values()).count("lost")


def test_recordings_that_the_other_vendor_cannot_list_are_lost() -> None:
    result = run("compare", "plivo", "audian", "--json")
    [listing] = [
        each for each in map(json.loads, result.stdout.splitlines()) if each["aspect"] == "listing"
    ]
    assert listing["lost"]
    assert "conference" in listing["what"]


def test_compare_agrees_in_both_directions_for_all_vendors() -> None:
    for here in rec.providers():
        for there in rec.providers():
            lost = {each.what for each in compare(here, there) if each.lost}
            gained = {each.what for each in compare(there, here) if each.gained}
            assert lost == gained
            assert here != there or not lost
    assert run("compare", "plivo", "plivo").exit_code == 2
    assert run("compare", "plivo", "unknown").exit_code == 2


# -- missing --------------------------------------------------------------------------------------


def write_expected(*rows: str, heading: str = "provider,account,kind,id,started_at") -> str:
    """Write a CSV file of expected sessions; returns its path."""
    Path("calls.csv").write_text("\n".join([heading, *rows]) + "\n")
    return "calls.csv"


def read_outcomes(result: Result) -> dict[str, str]:
    """Return the outcome per session."""
    return {line[3]: line[0] for line in split_rows(result)}


def find_recorded_call(emulator: Emulator) -> str:
    """Return the id of a call with an available recording."""
    with emulator.connect() as provider:
        targets = (each.target for each in provider.list() if each.status == "available")
        return next(each.id for each in targets if each and each.kind == "call")


def test_missing_and_not_seen_are_different_outcomes(vendors: dict[str, Emulator]) -> None:
    recorded = find_recorded_call(vendors["plivo"])
    expected = write_expected(
        f"plivo,,call,{recorded.upper()},",
        "plivo,default,call,NOT-RECORDED,",
        "plivo,elsewhere,call,OF-ANOTHER-ACCOUNT,",
        "realtimekit,,meeting,NO-SUCH-MEETING,",
        "realtimekit,,call,UNSUPPORTED-KIND,",
    )
    result = run("missing", "--expected", expected, "--all")
    assert result.exit_code == 3
    assert read_outcomes(result) == {
        f"call:{recorded.upper()}": "recorded",
        "call:NOT-RECORDED": "missing",
        "call:OF-ANOTHER-ACCOUNT": "not seen",
        "meeting:NO-SUCH-MEETING": "missing",
        "call:UNSUPPORTED-KIND": "not seen",
    }
    assert "5 sessions expected: 1 recorded, 2 missing, 2 not seen" in result.stderr
    assert len(split_rows(run("missing", "--expected", expected))) == 4


def test_sessions_of_a_failed_vendor_are_not_seen(vendors: dict[str, Emulator]) -> None:
    expected = write_expected("plivo,,call,NOT-RECORDED,")
    vendors["plivo"].stop()
    result = run("missing", "--expected", expected, "--config", write_config(vendors))
    [[outcome, *_, reason]] = split_rows(result)
    assert outcome == "not seen"
    assert "plivo list" in reason


def test_a_session_that_is_not_listable_is_looked_up_by_target(
    vendors: dict[str, Emulator],
) -> None:
    audian = vendors["audian"]
    conference = next(each for each in audian.sessions if each.kind == "conference")
    expected = write_expected(f"audian,,conference,{conference.id},", "audian,,call,NOT-RECORDED,")
    live = run("missing", "--expected", expected, "--all", "--to", "stored")
    assert read_outcomes(live) == {str(conference): "recorded", "call:NOT-RECORDED": "missing"}
    # From a folder, no vendor is queried: the conference cannot be seen, and the call is missing.
    stored = run("missing", "--expected", expected, "--from", "stored")
    assert read_outcomes(stored) == {str(conference): "not seen", "call:NOT-RECORDED": "missing"}


def test_a_session_before_the_window_is_not_seen(
    vendors: dict[str, Emulator],
) -> None:
    expected = write_expected("plivo,,call,LONG-AGO,2020-01-01T12:00")
    result = run("missing", "--expected", expected, "--since", "10d", "--from", "nowhere")
    assert result.exit_code == 1
    run("report", "--to", "stored")
    result = run("missing", "--expected", expected, "--since", "10d", "--from", "stored")
    assert read_outcomes(result) == {"call:LONG-AGO": "not seen"}


def test_a_session_without_a_start_time_is_looked_up_if_the_window_is_limited(
    vendors: dict[str, Emulator],
) -> None:
    with vendors["plivo"].connect() as provider:
        [*_, oldest] = (each for each in provider.list() if each.kind == "call")
    assert oldest.target is not None
    expected = write_expected(f"plivo,,call,{oldest.target.id},", "plivo,,call,NOT-RECORDED,")
    live = run("missing", "--expected", expected, "--since", "12h", "--all", "--to", "stored")
    assert read_outcomes(live) == {str(oldest.target): "recorded", "call:NOT-RECORDED": "missing"}
    stored = run("missing", "--expected", expected, "--since", "12h", "--from", "stored")
    assert set(read_outcomes(stored).values()) == {"not seen"}


@pytest.mark.long
def test_a_session_near_the_end_of_the_window_is_not_seen(
    vendors: dict[str, Emulator],
) -> None:
    until = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
    long_before = until - timedelta(days=2)
    expected = write_expected(
        f"plivo,,call,LATE,{until - timedelta(minutes=5):%Y-%m-%dT%H:%M}",
        f"plivo,,call,EARLY,{long_before:%Y-%m-%dT%H:%M}",
    )
    run("report", "--to", "stored")
    result = run("missing", "--expected", expected, "--until", f"{until:%F}", "--from", "stored")
    assert read_outcomes(result) == {"call:LATE": "not seen", "call:EARLY": "missing"}


def test_a_session_with_an_incomplete_listing_is_not_seen(
    vendors: dict[str, Emulator],
) -> None:
    def remove_ids(_: object, payload: Any) -> Any:
        for row in payload.get("recordings") or ():
            row["id"] = None
        return payload

    audian = vendors["audian"]
    conference = next(each for each in audian.sessions if each.kind == "conference")
    audian.alter = remove_ids
    expected = write_expected(f"audian,,conference,{conference.id},")
    [[outcome, *_, reason]] = split_rows(run("missing", "--expected", expected))
    assert (outcome, "listing this session alone failed" in reason) == ("not seen", True)


def test_a_session_of_an_unknown_account_has_a_reason(vendors: dict[str, Emulator]) -> None:
    result = run("missing", "--expected", write_expected("plivo,elsewhere,call,ANY,"))
    assert split_rows(result)[0][-1] == "no account 'elsewhere' of plivo was listed"


def test_a_session_whose_recordings_all_failed_has_no_media(vendors: dict[str, Emulator]) -> None:
    def fail(_: object, payload: Any) -> Any:
        for row in payload.get("data") or ():
            row["status"] = "ERRORED"
        return payload

    vendors["realtimekit"].alter = fail
    with vendors["realtimekit"].connect() as provider:
        target = next(each.target for each in provider.list() if each.target)
    result = run("missing", "--expected", write_expected(f"realtimekit,,meeting,{target.id},"))
    assert read_outcomes(result) == {str(target): "no media"}


def test_missing_prints_nothing_if_all_sessions_are_recorded(vendors: dict[str, Emulator]) -> None:
    result = run(
        "missing",
        "--expected",
        write_expected(f"plivo,,call,{find_recorded_call(vendors['plivo'])},"),
    )
    assert (result.exit_code, result.stdout) == (0, "")
    assert "1 session expected: 1 recorded" in result.stderr


def test_expected_sessions_are_read_as_a_spreadsheet_saves_them(
    vendors: dict[str, Emulator],
) -> None:
    text = "\ufeffProvider; Kind ;ID;Started at\r\nPlivo;Call;'=1+2;2026-11-01\r\n;;;\r\n"
    Path("calls.csv").write_text(text)
    result = run("missing", "--expected", "calls.csv")
    assert (result.exit_code, result.stderr.count("1 session expected: 1 missing")) == (3, 1)
    assert "call:=1+2" in result.stdout
    assert "To look again: recordings list plivo --target call:=1+2" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the column provider, kind, id"),
        ("provider,kind\nplivo,call\n", "lacks the column id"),
        ("provider,kind,id\nplivo,song,1\n", "line 2: 'song' is not a valid SessionKind"),
        ("provider,kind,id\nplivo,call,\n", "line 2: the id of a call must not be empty"),
        ("provider,kind,id\nplivvo,call,1\n", "line 2: No provider named 'plivvo'"),
        ("provider,kind,id,started_at\nplivo,call,1,noon\n", "line 2: Invalid isoformat"),
        ("provider,kind,id\nplivo\n", "line 2: "),
        ("provider,kind,id\nplivo,call,1,2,3\n", ""),
        ("\x00\udcff", "calls.csv"),
    ],
)
def test_the_error_of_a_wrong_csv_file_names_the_line(
    vendors: dict[str, Emulator], text: str, message: str
) -> None:
    Path("calls.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    result = run("missing", "--expected", "calls.csv")
    assert result.exit_code == (1 if message else 3), result.output
    assert message in result.stderr
