"""Commands: each one against emulated vendors over real HTTP."""

from __future__ import annotations

import hashlib
import json
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner, Result

import recording_core as rec
from recording_core.cli.app import _run_command, build_command_line
from recording_core.cli.commands.emulate import build_emulator
from recording_core.testing import Emulator, Reply

#: The number of past recordings, enough for one of each kind of recording per vendor.
PAST = 45
NAMES = ("plivo", "realtimekit")


def run(*arguments: str, input: str | None = None) -> Result:
    """Run a command in this process; returns its output and exit code."""
    return CliRunner().invoke(build_command_line(), arguments, input=input, prog_name="recordings")


def split_rows(result: Result) -> list[list[str]]:
    """Split the lines of a pipe, without the names of the fields, which are the first line."""
    names, *rows = [line.split("\t") for line in result.stdout.splitlines()] or [[""]]
    assert "".join(names) == "".join(names).lower()
    assert {len(row) for row in rows} <= {len(names)}
    return rows


def load_objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture
def vendors(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Emulator]]:
    """Two emulated vendors, to which the environment variables point."""
    started: dict[str, Emulator] = {}
    for name in NAMES:
        info = rec.providers()[name]
        emulator = build_emulator(info, recordings=PAST, processing=timedelta(0)).start()
        started[name] = emulator
        monkeypatch.setenv(f"{name.upper()}_BASE_URL", emulator.base_url)
        for setting in info.settings:
            monkeypatch.setenv(setting.env, emulator.credentials[setting.name])
    yield started
    for emulator in started.values():
        emulator.stop()


@pytest.fixture
def plivo(vendors: dict[str, Emulator]) -> Emulator:
    return vendors["plivo"]


# -- recording sessions ---------------------------------------------------------------------------


def test_start_pause_resume_and_stop(vendors: dict[str, Emulator]) -> None:
    meeting = vendors["realtimekit"].sessions[0]
    arguments = ("realtimekit", "meeting", meeting.id)
    assert split_rows(run("active", *arguments)) == []
    [started] = split_rows(run("start", *arguments, "--format", "mp3", "--max-duration", "1h"))
    assert (started[0], started[3]) == ("realtimekit", str(meeting))
    assert split_rows(run("active", *arguments))[0][1] == started[1]
    [paused] = split_rows(run("pause", *arguments, "--recording", started[1]))
    assert paused[1:3] == [started[1], "paused"]
    [resumed] = split_rows(run("resume", *arguments))
    assert resumed[1:3] == [started[1], "recording"]
    for _ in range(2):
        stopped = run("stop", *arguments, "--recording", started[1])
        assert stopped.exit_code == 0
        assert split_rows(stopped)[0][2] not in ("recording", "paused")


def test_stop_reads_a_session_as_json(plivo: Emulator) -> None:
    call = plivo.sessions[0]
    started = run("start", "plivo", "call", call.id, "--json")
    session = rec.loads(started.stdout, rec.RecordingSession)
    assert (session.account, session.target) == ("default", call)
    stopped = run("stop", "-", "--json", input=started.stdout)
    assert stopped.exit_code == 0, stopped.stderr
    assert rec.loads(stopped.stdout, rec.RecordingSession).account == "default"
    assert run("stop", "-", "call", input=started.stdout).exit_code == 2
    assert run("stop", "-", input="no session").exit_code == 1


def test_start_sends_every_parameter(plivo: Emulator) -> None:
    call = plivo.sessions[0]
    options = ("--format", "wav", "--max-duration", "90s", "--channels", "2")
    url, extra = "https://app.example/hook", 'transcription_type="auto"'
    result = run(
        "start", "plivo", "call", call.id, *options, "--callback-url", url, "--extra", extra
    )
    assert result.exit_code == 0, result.stderr
    assert plivo.list_requests()[-1].json() == {
        "file_format": "wav",
        "time_limit": 90,
        "record_channel_type": "stereo",
        "callback_url": url,
        "transcription_type": "auto",
    }


def test_a_value_outside_its_bounds_is_a_wrong_call(vendors: dict[str, Emulator]) -> None:
    kit = vendors["realtimekit"]
    meeting = ("realtimekit", "meeting", kit.sessions[0].id)
    for option in (("--max-duration", "30s"), ("--extra", 'meeting_id="another"')):
        result = run("start", *meeting, *option)
        assert (result.exit_code, result.stdout) == (2, "")
    assert kit.list_requests() == []


def test_an_unsupported_operation_is_an_error_without_a_request(plivo: Emulator) -> None:
    call = plivo.sessions[0]
    for arguments in (
        ("start", "plivo", "call", call.id, "--tracks"),
        ("pause", "plivo", "call", call.id),
        ("active", "plivo", "call", call.id),
    ):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(("Error: Plivo cannot ", "Error: Plivo does not support "))
    assert plivo.list_requests() == []


def build_call(call: rec.CommunicationSession) -> tuple[str, str, str]:
    return "plivo", str(call.kind), call.id


def test_stop_of_what_never_recorded_states_that_nothing_was_recording(
    vendors: dict[str, Emulator],
) -> None:
    kit = vendors["realtimekit"].sessions[0]
    nothing = run("stop", "realtimekit", "meeting", kit.id)
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert nothing.stderr == (
        f"Nothing was recording: RealtimeKit shows no recording of {kit} that runs or has just "
        "ended.\n"
    )
    # Plivo lists a recording only when it is processed, so that nothing can be excluded.
    call = vendors["plivo"].sessions[0]
    unknown = run("stop", *build_call(call))
    assert (unknown.exit_code, len(split_rows(unknown))) == (0, 1)
    [message] = [line for line in unknown.stderr.splitlines() if line.startswith("Nothing")]
    assert "Nothing was recording, or it is not listed yet: Plivo shows no recording" in message
    assert message.endswith(f"recordings list plivo --account default --target {call}")
    # A program gets the session in any case.
    for target in (("realtimekit", "meeting", kit.id), build_call(call)):
        assert len(load_objects(run("stop", *target, "--json"))) == 1


def test_stop_of_what_was_recorded_states_nothing(vendors: dict[str, Emulator]) -> None:
    for emulator in vendors.values():
        target = (emulator.provider, str(emulator.sessions[0].kind), emulator.sessions[0].id)
        started = run("start", *target, "--json")
        session = rec.loads(started.stdout, rec.RecordingSession)
        unnamed = rec.dumps(evolve(session, id=None))  # as a vendor that returns no id
        for arguments, input in ((("-",), started.stdout), (target, ""), (("-",), unnamed)):
            stopped = run("stop", *arguments, input=input)
            assert stopped.exit_code == 0
            assert "Nothing was recording:" not in stopped.stderr
            assert input == "" or "Nothing was recording" not in stopped.stderr
            assert len(split_rows(stopped)) == 1


# -- errors ---------------------------------------------------------------------------------------


def test_errors_name_the_recording_and_the_account(vendors: dict[str, Emulator]) -> None:
    kit = vendors["realtimekit"].sessions[0]
    for arguments, subject in (
        (("show", "plivo", "nope"), "recording nope"),
        (("download", "plivo", "nope"), "recording nope"),
        (("delete", "plivo", "nope", "--yes"), "recording nope"),
        (("start", "plivo", "call", "nope"), "call:nope"),
        (("pause", "realtimekit", "meeting", kit.id), str(kit)),
    ):
        done = run(*arguments)
        assert (done.exit_code, done.stdout) == (1, "")
        assert subject in done.stderr
        assert done.stderr.endswith("; account 'default'\n")
        assert done.stderr.count("\n") == 1


def test_a_401_names_the_variables(plivo: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIVO_AUTH_TOKEN", "wrong-token")
    advice = "; account 'default'; check PLIVO_AUTH_ID and PLIVO_AUTH_TOKEN\n"
    for arguments in (("show", "plivo", "x"), ("list", "plivo"), ("stop", "plivo", "call", "x")):
        assert run(*arguments).stderr.endswith(advice)
    assert advice.strip("\n") in run("doctor", "plivo").stdout
    # Of two alternatives, only the one that is set can be wrong.
    monkeypatch.setenv("VOIPBIN_ACCESSKEY", "wrong")
    monkeypatch.setenv("VOIPBIN_BASE_URL", plivo.base_url)
    plivo.faults.append(Reply(401))
    assert run("show", "voipbin", "x").stderr.endswith("; check VOIPBIN_ACCESSKEY\n")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://api.invalid", "api.invalid:443 could be made: the name cannot be resolved (DNS"),
        ("http://127.0.0.1:1", "127.0.0.1:1 could be made: it was refused, as no server listens"),
    ],
)
def test_errors_of_a_connection_name_the_reason(
    plivo: Emulator, monkeypatch: pytest.MonkeyPatch, url: str, reason: str
) -> None:
    def resolve(host: str, *_: object, **__: object) -> list[Any]:
        if host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *_, **__)  # type: ignore[arg-type]

    real = socket.getaddrinfo
    monkeypatch.setattr("socket.getaddrinfo", resolve)
    done = run("show", "plivo", "x", "--base-url", url, "--timeout", "1s")
    assert done.exit_code == 1
    assert f"plivo get: No connection to {reason}" in done.stderr
    assert "Check base_url" in done.stderr


def test_an_interruption_states_what_was_done(
    plivo: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two, three, *_ = plivo.list_ids()

    def interrupt_after(name: str, count: int) -> None:
        calls: list[None] = []
        real = getattr(rec.Provider, name)

        def act(*args: Any, **keys: Any) -> Any:
            calls.append(None)
            if len(calls) > count:
                raise KeyboardInterrupt
            return real(*args, **keys)

        monkeypatch.setattr(rec.Provider, name, act)

    def interrupt(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["recordings", *arguments])
        assert _run_command() == 130
        return capsys.readouterr().err.strip().splitlines()[-1]

    interrupt_after("delete", 1)
    place = f"of account 'default' of Plivo at {plivo.base_url}"
    assert interrupt("delete", "plivo", one, two, three, "--yes") == (
        f"Interrupted. Deleted 1 of 3 recordings {place}; the next one may be deleted too."
    )
    interrupt_after("download", 1)
    done = interrupt("download", "plivo", two, three, "--to", "out")
    assert re.fullmatch(
        r"Interrupted\. 2 recordings: 1 downloaded \(\S+ \w+\), 1 not downloaded\.", done
    )
    interrupt_after("stop", 0)
    assert interrupt("stop", "plivo", "call", "x") == (
        "Interrupted. The stop of call:x may have taken effect: repeat it."
    )
    interrupt_after("_start", 0)
    monkeypatch.setattr(type(plivo.connect()), "_start", rec.Provider._start)
    assert "the recording may run" in interrupt("start", "plivo", "call", plivo.sessions[0].id)
    monkeypatch.setattr("recording_core.webhooks.reconcile.reconcile_events", _interrupt)
    assert interrupt("webhooks", "reconcile", "plivo", "--since", "1d") == (
        "Interrupted at plivo. 0 events printed before that."
    )
    monkeypatch.setattr("recording_core.report", _interrupt)
    assert interrupt("report", "--to", "kept") == (
        "Interrupted while recordings were collected: nothing was written, but what is complete is "
        "in kept, and the next run continues."
    )


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


# -- listings -------------------------------------------------------------------------------------


def test_list_in_a_pipe_prints_fields(plivo: Emulator) -> None:
    result = run("list", "plivo")
    assert result.exit_code == 0
    assert {row[1] for row in split_rows(result)} == set(plivo.list_ids())
    for row in split_rows(result):
        assert (len(row), row[7]) == (8, "default")
        assert datetime.fromisoformat(row[3]).tzinfo is not None
        assert float(row[4]) >= 0
    assert re.fullmatch(r"plivo: 45 recordings seen in \d+ pages, complete\n", result.stderr)


def test_list_reports_how_many_recordings_match_the_filters(plivo: Emulator) -> None:
    result = run("list", "plivo", "--status", "failed")
    assert result.stdout == ""
    assert result.stderr.startswith("plivo: 0 of 45 recordings seen in ")


def test_list_of_all_vendors_as_json(vendors: dict[str, Emulator]) -> None:
    result = run("list", "--json", "--since", "95d")
    assert (result.exit_code, result.stderr) == (0, "")
    *found, first, second = load_objects(result)
    listed = [id for emulator in vendors.values() for id in emulator.list_ids()]
    assert sorted(each["id"] for each in found) == sorted(listed)
    assert [each["coverage"]["provider"] for each in (first, second)] == list(NAMES)
    assert all(each["coverage"]["complete"] for each in (first, second))
    for each in found:
        rec.loads(json.dumps(each), rec.Recording)


def test_signed_query_strings_are_printed_with_urls_only(vendors: dict[str, Emulator]) -> None:
    bare = run("list", "realtimekit", "--json")
    assert "X-Amz" not in bare.stdout
    signed = run("list", "realtimekit", "--json", "--urls")
    urls = [file["url"] for each in load_objects(signed)[:-1] for file in each["files"]]
    assert any("?X-Amz" in url for url in urls)
    for secret in vendors["realtimekit"].credentials.values():
        assert f'"{secret}"' not in signed.stdout


def test_list_filters(vendors: dict[str, Emulator]) -> None:
    status = ("--status", "available", "--status", "expired")
    found = split_rows(run("list", "realtimekit", *status))
    assert {row[2] for row in found} == {"available", "expired"}
    meeting = vendors["realtimekit"].sessions[0]
    [*found] = split_rows(run("list", "realtimekit", "--target", str(meeting)))
    assert {row[6] for row in found} == {str(meeting)}
    for arguments in (
        ("--since", "1d", "--until", "2d"),
        ("--status", "gone"),
        ("--target", "track:x"),
        ("--base-url", "https://api.example"),
    ):
        assert run("list", *arguments).exit_code == 2


def test_an_incomplete_listing_ends_with_exit_code_3(plivo: Emulator) -> None:
    def remove_id(_: object, payload: Any) -> Any:
        if payload.get("objects"):
            payload["objects"][0]["recording_id"] = 7
        return payload

    plivo.alter = remove_id
    result = run("list", "plivo", "--since", "5d", "--json")
    assert result.exit_code == 3
    sentence = "Row 0: The field 'recording_id' is not a non-empty string"
    assert load_objects(result)[-1]["coverage"]["unreadable"] == [sentence]
    shown = run("list", "plivo", "--since", "5d").stderr
    assert f"NOT complete; 1 row unreadable; {sentence}" in shown


def test_a_listing_names_the_fields_that_could_not_be_read(plivo: Emulator) -> None:
    """An odd field costs neither its recording nor the exit code 0."""

    def spoil(_: object, payload: Any) -> Any:
        for row in payload.get("objects") or ():
            row["recording_duration_ms"] = "-1"
        return payload

    plain = load_objects(run("list", "plivo", "--since", "5d", "--json"))
    plivo.alter = spoil
    result = run("list", "plivo", "--since", "5d", "--json")
    *rows, last = load_objects(result)
    assert result.exit_code == 0
    assert [row["id"] for row in rows] == [row["id"] for row in plain[:-1]]
    assert {row["duration"] for row in rows} == {None}
    assert last["coverage"]["unread_fields"] == {"recording_duration_ms": len(rows)}
    shown = run("list", "plivo", "--since", "5d").stderr
    assert f"fields that could not be read: recording_duration_ms ({len(rows)})" in shown


def test_a_vendor_that_fails_does_not_stop_the_others(
    vendors: dict[str, Emulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIVO_AUTH_TOKEN", "wrong-token")
    result = run("list", "--since", "95d", "--json")
    assert result.exit_code == 3
    *found, first, second = load_objects(result)
    assert len(found) == PAST
    assert first["coverage"]["complete"] is False
    assert "plivo list" in first["coverage"]["errors"][0]
    assert second["coverage"]["complete"] is True
    alone = run("list", "plivo", "--since", "95d")
    assert (alone.exit_code, alone.stdout) == (1, "")
    assert alone.stderr.count("\n") == 1
    monkeypatch.setenv("REALTIMEKIT_API_TOKEN", "wrong-token")
    assert run("list", "--since", "95d").exit_code == 1


def test_list_without_credentials_names_the_doctor() -> None:
    result = run("list")
    assert result.exit_code == 1
    assert "recordings doctor" in result.stderr


# -- recordings -----------------------------------------------------------------------------------


def test_show_download_and_delete(plivo: Emulator, tmp_path: Path) -> None:
    one, two, *_ = plivo.list_ids()
    [shown] = load_objects(run("show", "plivo", one, "--json"))
    assert shown["id"] == one
    fields = dict(line.split("\t") for line in run("show", "plivo", one).stdout.splitlines())
    assert (fields["recording"], fields["status"]) == (one, "available")

    result = run("download", "plivo", one, "--to", str(tmp_path / "out"), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    [copy] = load_objects(result)
    content = Path(copy["path"]).read_bytes()
    assert (copy["sha256"], copy["size"]) == (hashlib.sha256(content).hexdigest(), len(content))

    assert run("delete", "plivo", one).exit_code == 2
    assert one in plivo.list_ids()
    assert run("delete", "plivo", one, "--yes").exit_code == 0
    assert one not in plivo.list_ids()
    gone = run("show", "plivo", one)
    assert (gone.exit_code, gone.stdout) == (1, "")
    assert gone.stderr.startswith("Error: plivo get:")
    some = run("download", "plivo", one, two, "--to", str(tmp_path))
    assert some.exit_code == 3
    assert split_rows(some)[0][0].startswith(str(tmp_path))
    assert some.stderr.startswith(f"Error: {one}: plivo get")
    assert run("delete", "plivo", one, "nope", "--yes").exit_code == 1


def test_download_of_one_role(vendors: dict[str, Emulator], tmp_path: Path) -> None:
    found = load_objects(run("list", "realtimekit", "--status", "available", "--json"))[:-1]
    both = next(each for each in found if len(each["files"]) > 1)
    role = both["files"][0]["role"]
    to = ("--to", str(tmp_path))
    copies = load_objects(run("download", "realtimekit", both["id"], *to, "--only", role, "--json"))
    assert {copy["file"]["role"] for copy in copies} == {role}
    assert len(copies) < len(both["files"]) or role == "track"
    wrong = run("download", "realtimekit", both["id"], *to, "--only", "leg")
    assert wrong.exit_code == 2
    assert "has no file 'leg'" in wrong.stderr


def test_an_unverified_copy_ends_with_exit_code_3(plivo: Emulator, tmp_path: Path) -> None:
    body = bytes.fromhex("fff318c4") + bytes(32)
    plivo.media_faults.append(Reply(200, body, {"Content-Type": "audio/mpeg"}, framing="none"))
    id = next(
        each["id"]
        for each in load_objects(run("list", "plivo", "--json"))[:-1]
        if each["format"] == "mp3"
    )
    result = run("download", "plivo", id, "--to", str(tmp_path))
    assert result.exit_code == 3
    assert result.stdout.endswith("\tno\n")
    assert "Nothing proves that the copy is complete" in result.stderr


# -- vendors --------------------------------------------------------------------------------------


def test_providers_and_matrix(vendors: dict[str, Emulator]) -> None:
    assert [row[0] for row in split_rows(run("providers"))] == list(rec.providers())
    for each in load_objects(run("providers", "--json")):
        assert each["configured"] is (each["name"] in NAMES)
        assert each["accounts"] == (["default"] if each["configured"] else [])
    supported = {(row[0], row[1]): row[2].split(",") for row in split_rows(run("matrix"))}
    for info in rec.providers().values():
        for kind, operation in info:
            assert operation in supported[info.name, kind]
    assert run("matrix", "--markdown").stdout.startswith("|  |  | start | pause |")


def test_doctor_without_problems(plivo: Emulator) -> None:
    plivo.faults.append(Reply.json({"meta": {}, "objects": []}))
    plivo.faults.append(Reply(404, headers={"Date": format_datetime(datetime.now(UTC))}))
    result = run("doctor", "plivo")
    assert result.exit_code == 0, result.stdout
    assert [row[1:4] for row in split_rows(result) if row[0]] == [
        ["", "plugin", "ok"],
        ["default", "answer", "ok"],
        ["default", "credentials", "ok"],
        ["default", "clock", "ok"],
    ]
    _, clock_request = plivo.list_requests()
    assert clock_request.header("authorization") is None


def test_doctor_reports_a_wrong_clock(plivo: Emulator) -> None:
    late = datetime.now(UTC) - timedelta(hours=1)
    plivo.faults.append(Reply.json({"meta": {}, "objects": []}))
    plivo.faults.append(Reply(404, headers={"Date": format_datetime(late)}))
    result = run("doctor", "plivo")
    assert result.exit_code == 3
    assert "1:00:0" in result.stdout
    assert "ahead of the vendor's clock" in result.stdout


def test_doctor_reports_rejected_and_missing_credentials(
    vendors: dict[str, Emulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "wrong-but-still-secret"
    monkeypatch.setenv("PLIVO_AUTH_TOKEN", secret)
    monkeypatch.delenv("REALTIMEKIT_API_TOKEN")
    result = run("doctor", "--json")
    assert result.exit_code == 3
    found = {(each["provider"], each["check"]): each for each in load_objects(result)}
    assert found["plivo", "answer"]["verdict"] == "ok"
    assert found["plivo", "credentials"]["verdict"] == "attention"
    missing = found["realtimekit", "credentials"]
    assert missing["detail"] == "not set: REALTIMEKIT_API_TOKEN"
    assert secret not in result.output


def test_doctor_reports_a_vendor_without_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIVO_AUTH_ID", "MAXXXXXXXXXXXXXXXXXX")
    monkeypatch.setenv("PLIVO_AUTH_TOKEN", "some-token")
    result = run("doctor", "plivo", "--base-url", "http://127.0.0.1:1")
    assert result.exit_code == 3
    assert split_rows(result)[-1][1:4] == ["default", "answer", "attention"]
    assert "No connection to 127.0.0.1:1" in split_rows(result)[-1][4]


def test_doctor_without_credentials_ends_with_exit_code_3() -> None:
    result = run("doctor")
    assert result.exit_code == 3
    assert {row[3] for row in split_rows(result) if row[0]} == {"ok", "skipped"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("list", "unknown"),
        ("start", "plivo", "call"),
        ("start", "plivo", "track", "x"),
        ("start", "plivo", "call", ""),
        ("start", "plivo", "call", "x", "--extra", "a=b"),
        ("start", "plivo", "call", "x", "--max-duration", "60"),
        ("stop", "plivo"),
        ("show", "plivo"),
        ("emulate", "plivo", "--port", "70000"),
        ("demo", "--output", "demo.html"),
        ("completion", "tcsh"),
        ("list", "--tz", "Berlin"),
        ("list", "--expiring", "2m"),
    ],
)
def test_wrong_usage_ends_with_exit_code_2(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage:")
