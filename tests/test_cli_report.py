"""Does each command about all accounts keep its promise, at four emulated vendors?"""

from __future__ import annotations

import csv
import io
import json
import os
import re
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
from recording_core.cli.app import command_line
from recording_core.cli.commands.emulate import emulator_of
from recording_core.reporting.compare import compare
from recording_core.testing import Emulator

PAST = 15
RECORDINGS = (
    sys.executable,
    "-c",
    "import sys; from recording_core.cli import main; sys.exit(main())",
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command_line(), arguments, prog_name="recordings")


def lines(result: Result) -> list[list[str]]:
    return [line.split("\t") for line in result.stdout.splitlines()]


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
def vendors(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Emulator]]:
    """The four on the wall clock, and the environment that leads to them."""
    started: dict[str, Emulator] = {}
    for name, info in rec.providers().items():
        emulator = emulator_of(info, recordings=PAST, processing=timedelta(0)).start()
        started[name] = emulator
        monkeypatch.setenv(f"{name.upper()}_BASE_URL", emulator.base_url)
        for setting in info.settings:
            if setting.name in emulator.credentials:
                monkeypatch.setenv(setting.env, emulator.credentials[setting.name])
    yield started
    for emulator in started.values():
        emulator.stop()


# -- report ---------------------------------------------------------------------------------------


def test_a_report_in_a_pipe_is_lines_of_fields(vendors: dict[str, Emulator]) -> None:
    result = run("report", "--since", "100d")
    assert result.exit_code == 0, result.stderr
    assert [line[:2] for line in lines(result)] == [[name, str(PAST)] for name in vendors]
    assert len({len(line) for line in lines(result)}) == 1
    for name in vendors:
        assert f"{name}: {PAST} recordings seen" in result.stderr


def test_a_report_as_json_has_the_documented_shape(vendors: dict[str, Emulator]) -> None:
    result = run("report", "--json", "--by", "provider,day", "--tz", "Europe/Berlin")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert list(told) == ["rows", "totals", "coverage", "window", "complete"]
    assert sum(row["recordings"] for row in told["rows"]) == 4 * PAST
    plivo = [row for row in told["rows"] if row["provider"] == "plivo"]
    assert {(row["bytes"], row["bytes_known"]) for row in plivo} == {(None, 0)}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", row["day"]) for row in told["rows"])
    assert told["window"]["tz"] == "Europe/Berlin"
    assert told["complete"] is True


def test_a_vendor_that_is_gone_is_named_first_and_the_exit_code_is_3(
    vendors: dict[str, Emulator],
) -> None:
    vendors["plivo"].stop()
    result = run("report", "--json", "--config", fast(vendors))
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert [row["provider"] for row in told["rows"]] == ["audian", "realtimekit", "voipbin"]
    [missing] = [each for each in told["coverage"] if not each["complete"]]
    assert (missing["provider"], missing["account"]) == ("plivo", "default")
    assert missing["error"].startswith("Unavailable: plivo list: ")
    assert result.stderr.startswith("MISSING: plivo: plivo list: ")


def fast(vendors: dict[str, Emulator]) -> str:
    """A configuration that does not repeat what fails."""
    Path("fast.toml").write_text(
        "".join(f'[[account]]\nprovider = "{name}"\nhttp = {{ retries = 0 }}\n' for name in vendors)
    )
    return "fast.toml"


def test_where_nobody_answers_it_is_an_error(vendors: dict[str, Emulator]) -> None:
    for emulator in vendors.values():
        emulator.stop()
    result = run("report", "--config", fast(vendors))
    assert result.exit_code == 1
    assert result.stderr.endswith("Error: no account could be collected: see above, one by one\n")


def providers_in(data: bytes, form: str) -> list[str]:
    """Whose rows a file holds."""
    if form == "csv":
        return [row["provider"] for row in csv.DictReader(io.StringIO(data.decode()))]
    if form == "json":
        return [row["provider"] for row in json.loads(data)["rows"]]
    if form == "html":
        return [name for name in rec.providers() if name in data.decode()]
    read = pq.read_table if form == "parquet" else lambda file: pa.ipc.open_file(file).read_all()
    return list(read(pa.BufferReader(data))["provider"].to_pylist())


def test_it_is_written_in_every_form(vendors: dict[str, Emulator]) -> None:
    run("report", "--to", "kept")
    for form in ("csv", "json", "parquet", "arrow", "html"):
        to_a_file = run("report", "--from", "kept", "--output", f"out/report.{form}")
        assert (to_a_file.exit_code, to_a_file.stdout) == (0, "")
        assert f"wrote out/report.{form}" in to_a_file.stderr
        assert providers_in(Path(f"out/report.{form}").read_bytes(), form) == list(vendors)
        to_a_pipe = run("report", "--from", "kept", "--format", form)
        assert providers_in(to_a_pipe.stdout_bytes, form) == list(vendors)
        as_is_usual = run("report", "--from", "kept", "--format", form, "--output", "-")
        assert providers_in(as_is_usual.stdout_bytes, form) == list(vendors)
    assert not Path("-").exists()


def test_a_folder_is_filled_and_read_back(vendors: dict[str, Emulator]) -> None:
    first = run("report", "--to", "kept")
    for emulator in vendors.values():
        emulator.stop()
    again = run("report", "--from", "kept")
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert run("report", "--from", "kept", "--since", "2d").exit_code == 0


def test_several_accounts_of_a_vendor_stand_side_by_side(
    vendors: dict[str, Emulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("recordings.toml").write_text(
        '[[account]]\nprovider = "plivo"\nname = "support"\n'
        '[[account]]\nprovider = "plivo"\nname = "sales"\n'
    )
    result = run("report", "--by", "provider,account")
    assert [line[:3] for line in lines(result)] == [
        ["plivo", "sales", str(PAST)],
        ["plivo", "support", str(PAST)],
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--since", "1d", "--until", "2d"), 2, "the window is empty"),
        (("--since", "2026-01-01", "--until", "2026-01-01"), 2, "the window is empty"),
        (("--tz", "Mars/Base"), 2, "no time zone is named 'Mars/Base'"),
        (("--by", "providers"), 2, "cannot group by 'providers'; possible are hour, day"),
        (("--by", "day,day"), 2, "names one thing twice"),
        (("--json", "--format", "csv"), 2, "two formats"),
        (("--config", "nowhere.toml"), 1, "nowhere.toml cannot be read"),
        (("--from", "nowhere"), 1, "nowhere holds no collected recordings"),
        (("--from", "a", "--to", "b"), 2, "two folders"),
        (("--prices", "nowhere.toml"), 1, "nowhere.toml"),
    ],
)
def test_a_wrong_report_ends_in_one_line_and_asks_nobody(
    vendors: dict[str, Emulator], arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = run("report", *arguments)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert result.stdout == ""
    assert all(emulator.requests() == [] for emulator in vendors.values())


def test_without_any_account_it_says_what_to_do() -> None:
    result = run("report")
    assert result.exit_code == 1
    assert "no account is configured" in result.stderr


def test_a_word_that_nobody_knows_is_named(vendors: dict[str, Emulator]) -> None:
    def drift(_: object, payload: Any) -> Any:
        for row in payload.get("data") or ():
            if isinstance(row, dict) and row.get("status") == "UPLOADED":
                row["status"] = "TELEPORTED"
        return payload

    vendors["realtimekit"].alter = drift
    result = run("report")
    assert "realtimekit: words that we don't know: TELEPORTED" in result.stderr


def test_a_pipe_is_written_into_and_not_replaced(vendors: dict[str, Emulator]) -> None:
    os.mkfifo("pipe")
    with subprocess.Popen(("cat", "pipe"), stdout=subprocess.PIPE) as reader:
        result = run("report", "--format", "csv", "--output", "pipe")
        written, _ = reader.communicate(timeout=30)
    assert result.exit_code == 0
    assert written.startswith(b"provider,recordings,")
    assert Path("pipe").is_fifo()


def test_a_length_of_time_that_leads_beyond_the_calendar_is_a_wrong_call() -> None:
    result = run("report", "--expiring", "9999999d")
    assert result.exit_code == 2
    assert "ends before the year 10000" in result.stderr


def test_an_interrupted_report_ends_at_once_and_leaves_nothing(
    vendors: dict[str, Emulator], tmp_path: Path
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
        process.send_signal(signal.SIGINT)
        assert process.wait(2) == 130
        assert b"".join(process.communicate()).strip() == b""
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_report_on_a_terminal(vendors: dict[str, Emulator]) -> None:
    vendors["plivo"].stop()
    fast(vendors)
    for width in (80, 140):
        text = on_a_terminal(width, "report", "--by", "provider,status", "--config", "fast.toml")
        plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "")
        shown = plain.splitlines()
        first = next(index for index, line in enumerate(shown) if line.strip())
        assert "MISSING: plivo" in "".join(shown[first : first + 2])
        [audian] = [line for line in shown if re.match(r"audian +available +█", line)]
        assert len(audian) <= width
        assert any(re.match(r"together +45 ", line) for line in shown)
        heading = next(line for line in shown if line.startswith("provider"))
        assert ("peak" in heading) is (width == 140)


def test_the_times_above_a_report_are_of_its_time_zone(vendors: dict[str, Emulator]) -> None:
    run("report", "--to", "kept")
    window = ("--since", "2026-01-31T23:30Z", "--until", "2026-06-30T22:00Z")
    text = on_a_terminal(
        100, "report", "--from", "kept", *window, "--tz", "Europe/Berlin", exit_code=0
    )
    assert "Recordings from 2026-02-01 00:30 to 2026-07-01 00:00 (Europe/Berlin)" in text


def on_a_terminal(width: int, *arguments: str, exit_code: int = 3) -> str:
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
            pass  # how a pseudo-terminal says that it ended
        os.close(parent)
        assert process.wait(20) == exit_code
    return text.decode()


# -- compare --------------------------------------------------------------------------------------


def test_what_would_be_lost_by_moving_is_what_the_other_cannot_be_told() -> None:
    result = run("compare", "plivo", "realtimekit")
    assert result.exit_code == 0
    found = {(line[0], line[1]): line[4] for line in lines(result)}
    assert found["call", "record a call"] == "lost"
    assert found["meeting", "delete"] == "lost"
    assert found["meeting", "start, told tracks"] == "won"
    assert found["meeting", "format mp3"] == ""
    lost = run("compare", "plivo", "realtimekit", "--lost", "--json")
    assert all(json.loads(line)["lost"] for line in lost.stdout.splitlines())
    assert len(lost.stdout.splitlines()) == list(found.values()).count("lost")


def test_what_cannot_be_listed_is_lost_by_who_moves_there() -> None:
    result = run("compare", "plivo", "audian", "--json")
    [listing] = [
        each for each in map(json.loads, result.stdout.splitlines()) if each["aspect"] == "listing"
    ]
    assert listing["lost"]
    assert "conference" in listing["what"]


def test_any_two_vendors_can_be_compared_and_both_ways_agree() -> None:
    for here in rec.providers():
        for there in rec.providers():
            lost = {each.what for each in compare(here, there) if each.lost}
            won = {each.what for each in compare(there, here) if each.won}
            assert lost == won
            assert here != there or not lost
    assert run("compare", "plivo", "plivo").exit_code == 2
    assert run("compare", "plivo", "nobody").exit_code == 2


# -- missing --------------------------------------------------------------------------------------


def write_expected(*rows: str, heading: str = "provider,account,kind,id,started_at") -> str:
    Path("calls.csv").write_text("\n".join([heading, *rows]) + "\n")
    return "calls.csv"


def answers(result: Result) -> dict[str, str]:
    return {line[3]: line[0] for line in lines(result)}


def a_call(emulator: Emulator) -> str:
    with emulator.connect() as provider:
        targets = (each.target for each in provider.list() if each.status == "available")
        return next(each.id for each in targets if each and each.kind == "call")


def test_none_and_not_seen_are_different_answers(vendors: dict[str, Emulator]) -> None:
    recorded = a_call(vendors["plivo"])
    expected = write_expected(
        f"plivo,,call,{recorded.upper()},",
        "plivo,default,call,NOBODY-RECORDED-IT,",
        "plivo,elsewhere,call,OF-ANOTHER-ACCOUNT,",
        "realtimekit,,meeting,NO-SUCH-MEETING,",
        "realtimekit,,call,IT-KNOWS-NO-CALLS,",
    )
    result = run("missing", "--expected", expected, "--all")
    assert result.exit_code == 3
    assert answers(result) == {
        f"call:{recorded.upper()}": "recorded",
        "call:NOBODY-RECORDED-IT": "missing",
        "call:OF-ANOTHER-ACCOUNT": "not seen",
        "meeting:NO-SUCH-MEETING": "missing",
        "call:IT-KNOWS-NO-CALLS": "not seen",
    }
    assert "5 sessions expected: 1 recorded, 2 missing, 2 not seen" in result.stderr
    assert len(lines(run("missing", "--expected", expected))) == 4


def test_where_a_vendor_failed_nothing_is_missing(vendors: dict[str, Emulator]) -> None:
    expected = write_expected("plivo,,call,NOBODY-RECORDED-IT,")
    vendors["plivo"].stop()
    result = run("missing", "--expected", expected, "--config", fast(vendors))
    [[answer, *_, why]] = lines(result)
    assert answer == "not seen"
    assert "plivo list" in why


def test_what_a_vendor_cannot_enumerate_is_asked_for_by_itself(
    vendors: dict[str, Emulator],
) -> None:
    audian = vendors["audian"]
    conference = next(each for each in audian.sessions if each.kind == "conference")
    expected = write_expected(
        f"audian,,conference,{conference.id},", "audian,,call,NOBODY-RECORDED-IT,"
    )
    live = run("missing", "--expected", expected, "--all", "--to", "kept")
    assert answers(live) == {str(conference): "recorded", "call:NOBODY-RECORDED-IT": "missing"}
    # Read back, nobody is asked: then the conference's cannot be seen, and the call's is missing.
    stored = run("missing", "--expected", expected, "--from", "kept")
    assert answers(stored) == {str(conference): "not seen", "call:NOBODY-RECORDED-IT": "missing"}


def test_a_session_before_the_time_that_was_looked_at_is_not_missing(
    vendors: dict[str, Emulator],
) -> None:
    expected = write_expected("plivo,,call,LONG-AGO,2020-01-01T12:00")
    result = run("missing", "--expected", expected, "--since", "10d", "--from", "nowhere")
    assert result.exit_code == 1
    run("report", "--to", "kept")
    result = run("missing", "--expected", expected, "--since", "10d", "--from", "kept")
    assert answers(result) == {"call:LONG-AGO": "not seen"}


def test_a_session_of_which_nobody_says_when_is_asked_for_by_itself_where_not_all_time_is_seen(
    vendors: dict[str, Emulator],
) -> None:
    with vendors["plivo"].connect() as provider:
        [*_, oldest] = (each for each in provider.list() if each.kind == "call")
    assert oldest.target is not None
    expected = write_expected(f"plivo,,call,{oldest.target.id},", "plivo,,call,NOBODY-RECORDED-IT,")
    asked = run("missing", "--expected", expected, "--since", "12h", "--all", "--to", "kept")
    assert answers(asked) == {str(oldest.target): "recorded", "call:NOBODY-RECORDED-IT": "missing"}
    stored = run("missing", "--expected", expected, "--since", "12h", "--from", "kept")
    assert set(answers(stored).values()) == {"not seen"}


def test_a_session_that_began_as_the_time_that_was_looked_at_ended_is_not_missing(
    vendors: dict[str, Emulator],
) -> None:
    until = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
    long_before = until - timedelta(days=2)
    expected = write_expected(
        f"plivo,,call,LATE,{until - timedelta(minutes=5):%Y-%m-%dT%H:%M}",
        f"plivo,,call,EARLY,{long_before:%Y-%m-%dT%H:%M}",
    )
    run("report", "--to", "kept")
    result = run("missing", "--expected", expected, "--until", f"{until:%F}", "--from", "kept")
    assert answers(result) == {"call:LATE": "not seen", "call:EARLY": "missing"}


def test_where_one_session_could_not_be_seen_whole_it_is_not_missing(
    vendors: dict[str, Emulator],
) -> None:
    def unreadable(_: object, payload: Any) -> Any:
        for row in payload.get("data", payload).get("recordings") or ():
            row["id"] = None
        return payload

    audian = vendors["audian"]
    conference = next(each for each in audian.sessions if each.kind == "conference")
    audian.alter = unreadable
    expected = write_expected(f"audian,,conference,{conference.id},")
    [[answer, *_, why]] = lines(run("missing", "--expected", expected))
    assert (answer, "asked for it alone" in why) == ("not seen", True)


def test_a_session_of_an_account_that_is_not_there_says_so(vendors: dict[str, Emulator]) -> None:
    result = run("missing", "--expected", write_expected("plivo,elsewhere,call,ANY,"))
    assert lines(result)[0][-1] == "no account 'elsewhere' of plivo was asked"


def test_a_session_whose_recordings_all_failed_has_no_media(vendors: dict[str, Emulator]) -> None:
    def fail(_: object, payload: Any) -> Any:
        for row in payload.get("data") or ():
            row["status"] = "ERRORED"
        return payload

    vendors["realtimekit"].alter = fail
    with vendors["realtimekit"].connect() as provider:
        target = next(each.target for each in provider.list() if each.target)
    result = run("missing", "--expected", write_expected(f"realtimekit,,meeting,{target.id},"))
    assert answers(result) == {str(target): "no media"}


def test_when_all_are_recorded_there_is_nothing_to_say(vendors: dict[str, Emulator]) -> None:
    result = run(
        "missing", "--expected", write_expected(f"plivo,,call,{a_call(vendors['plivo'])},")
    )
    assert (result.exit_code, result.stdout) == (0, "")
    assert "1 session expected: 1 recorded" in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lacks the column provider, kind, id"),
        ("provider,kind\nplivo,call\n", "lacks the column id"),
        ("provider,kind,id\nplivo,song,1\n", "line 2: 'song' is not a valid SessionKind"),
        ("provider,kind,id\nplivo,call,\n", "line 2: the id of a call must not be empty"),
        ("provider,kind,id\nplivvo,call,1\n", "line 2: no provider is named 'plivvo'"),
        ("provider,kind,id,started_at\nplivo,call,1,noon\n", "line 2: Invalid isoformat"),
        ("provider,kind,id\nplivo\n", "line 2: "),
        ("provider,kind,id\nplivo,call,1,2,3\n", ""),
        ("\x00\udcff", "calls.csv"),
    ],
)
def test_a_csv_file_that_is_wrong_says_where(
    vendors: dict[str, Emulator], text: str, said: str
) -> None:
    Path("calls.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    result = run("missing", "--expected", "calls.csv")
    assert result.exit_code == (1 if said else 3), result.output
    assert said in result.stderr
