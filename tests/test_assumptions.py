"""Assumptions: probes on an account, the command that runs them, emulators that follow them.

Acme, the example of a third party, is the vendor.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import recording_core as rec
from recording_core.cli.app import build_command_line
from recording_core.cli.commands import emulate
from recording_core.cli.scaffold.distribution import TEMPLATE
from recording_core.plugin import Assumption, Observation
from recording_core.plugins.registry import load_object, load_registry
from recording_core.provider import assumptions
from recording_core.provider.assumptions import (
    find_unknown_parts,
    observe_recordings,
    observe_session,
    run_probe,
)
from recording_core.testing import Emulator, ManualClock, Reply, Request

ROOT = Path(__file__).resolve().parent.parent
Start = Callable[..., Emulator]


@pytest.fixture
def start_acme(
    start_emulator: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Start]:
    """`start_acme(**settings)` starts Acme's emulator, to which the environment points.

    Acme is on the path as an installer places it.
    """
    metadata = tmp_path / "recording_acme-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: recording-acme\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text("[recording_core]\nacme = recording_acme.plugin\n")
    monkeypatch.syspath_prepend(str(TEMPLATE))
    monkeypatch.syspath_prepend(str(tmp_path))
    load_registry.cache_clear()

    def start(**settings: Any) -> Emulator:
        emulator = start_emulator("acme", **settings)
        monkeypatch.setenv("ACME_KEY", emulator.credentials["key"])
        monkeypatch.setenv("ACME_BASE_URL", emulator.base_url)
        # The command runs on the emulator's clock, so that nothing sleeps.
        monkeypatch.setattr(
            "recording_core.provider.connection.SystemClock", lambda: emulator.clock
        )
        return emulator

    yield start
    for name in [name for name in sys.modules if name.startswith("recording_acme")]:
        del sys.modules[name]
    load_registry.cache_clear()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build_command_line(), arguments, prog_name="recordings")


def read_verdicts(result: Result) -> dict[str, str]:
    """Return check -> verdict of the output of `doctor`, without the checks of this machine."""
    _, *rows = [line.split("\t") for line in result.stdout.splitlines()]
    return {row[2]: row[3] for row in rows if row[0]}


# -- emulators ------------------------------------------------------------------------------------


def test_emulator_follows_the_given_assumptions_only(start_acme: Start) -> None:
    assert [start_acme().assumes(number) for number in (1, 2, 3)] == [False] * 3
    assert [start_acme(assume=[2]).assumes(number) for number in (1, 2, 3)] == [False, True, False]
    assert [start_acme(assume="all").assumes(number) for number in (1, 2, 3)] == [True] * 3


def test_unknown_number_of_an_assumption_raises(start_acme: Start) -> None:
    with pytest.raises(ValueError, match=r"AcmeEmulator.assumptions has no number 4, only: 1, 2"):
        start_acme(assume=[1, 4])
    with pytest.raises(ValueError, match="no number 0"):
        start_acme(assume="all").assumes(0)


def test_emulate_starts_emulators_that_follow_assumptions(
    start_acme: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Emulator] = []
    build = emulate.build_emulator

    def build_emulator(info: rec.ProviderInfo, **settings: Any) -> Emulator:
        built.append(build(info, **settings))
        return built[-1]

    monkeypatch.setattr(emulate, "build_emulator", build_emulator)
    monkeypatch.setattr(emulate, "watch_for_interrupt", lambda: lambda: None)
    start_acme()  # installs it
    for assume, followed in (
        ((), ()),
        (("--assume", "2,3"), (2, 3)),
        (("--assume", "all"), (1, 2, 3)),
    ):
        result = run("emulate", "acme", *assume)
        assert result.exit_code == 0, result.output
        assert tuple(number for number in (1, 2, 3) if built[-1].assumes(number)) == followed
    assert run("emulate", "acme", "plivo", "--assume", "all").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--assume", "4"), "AcmeEmulator.assumptions has no number 4"),
        (("--assume", "one"), "'one' is not a list of numbers"),
        (("plivo", "--assume", "1"), "exactly one PROVIDER"),
    ],
)
def test_emulate_with_a_wrong_number_is_a_wrong_call(
    start_acme: Start, arguments: tuple[str, ...], message: str
) -> None:
    start_acme()
    result = run("emulate", "acme", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


# -- probes ---------------------------------------------------------------------------------------


def raise_provider_error(_: Observation) -> bool:
    raise rec.Unavailable("the vendor is down")


def raise_key_error(_: Observation) -> bool:
    raise KeyError("value-of-a-payload")


def test_a_probe_that_raises_has_not_seen_anything(emulated_acme: rec.Provider) -> None:
    observation = Observation(emulated_acme)

    def run_one(probe: Callable[[Observation], bool | None] | None) -> tuple[bool | None, str]:
        given = Assumption(1, "it is open", "it is so", "it is not so", probe)
        return run_probe(given, observation)

    assert run_one(lambda _: True) == (True, "it is so")
    assert run_one(lambda _: False) == (False, "it is not so")
    assert run_one(lambda _: None)[0] is None
    assert run_one(None)[0] is None
    assert run_one(raise_provider_error) == (None, "the vendor is down")
    assert run_one(raise_key_error) == (None, "The probe failed with KeyError")


@pytest.fixture
def emulated_acme(start_acme: Start) -> Iterator[rec.Provider]:
    with start_acme(recordings=45).connect() as provider:
        yield provider


def test_only_the_newest_recordings_are_observed(
    emulated_acme: rec.Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(observe_recordings(emulated_acme)) == 45
    monkeypatch.setattr(assumptions, "PERIOD", timedelta(days=10))
    recent = observe_recordings(emulated_acme)
    assert 0 < len(recent) < 45
    oldest = emulated_acme.clock.now() - timedelta(days=10)
    assert all(each.started_at and each.started_at >= oldest for each in recent)
    monkeypatch.setattr(assumptions, "MOST_RECORDINGS", 3)
    assert len(observe_recordings(emulated_acme)) == 3


@pytest.mark.emulator("realtimekit")
def test_a_session_is_observed_after_each_verb(
    emulator: Emulator, emulated_provider: rec.Provider
) -> None:
    found = observe_session(emulated_provider, emulator.sessions[0])
    assert list(found) == ["start", "pause", "resume", "stop"]
    assert all(isinstance(each, rec.RecordingSession) for each in found.values())
    methods = [request.method for request in emulator.list_requests() if request.method != "GET"]
    assert methods == ["POST", "PUT", "PUT", "PUT"]


@pytest.mark.emulator("realtimekit")
def test_an_observed_session_is_stopped_also_if_a_verb_fails(
    emulator: Emulator, emulated_provider: rec.Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pause(_: rec.RecordingSession) -> rec.RecordingSession:
        raise rec.Rejected("not now")

    monkeypatch.setattr(emulated_provider, "pause", pause)
    found = observe_session(emulated_provider, emulator.sessions[0])
    assert list(found) == ["start", "pause", "resume", "stop"]
    assert isinstance(found["pause"], rec.Rejected)
    assert emulated_provider.active(emulator.sessions[0]) is None

    def interrupt(_: rec.RecordingSession) -> rec.RecordingSession:
        raise KeyboardInterrupt

    monkeypatch.setattr(emulated_provider, "pause", interrupt)
    with pytest.raises(KeyboardInterrupt):
        observe_session(emulated_provider, emulator.sessions[0])
    assert emulated_provider.active(emulator.sessions[0]) is None


@pytest.mark.emulator("realtimekit")
def test_a_session_that_does_not_start_is_not_stopped(
    emulator: Emulator, emulated_provider: rec.Provider
) -> None:
    emulator.faults.append(emulator.build_error(429))
    found = observe_session(emulated_provider, emulator.sessions[0])
    assert list(found) == ["start"]
    assert isinstance(found["start"], rec.RateLimited)
    assert len(emulator.list_requests()) == 1


# -- what a vendor sends that the provider does not read ------------------------------------------


def test_unknown_parts_are_counted_by_name_and_type(emulated_acme: rec.Provider) -> None:
    rows = [
        rec.Recording(
            "acme",
            "default",
            f"R{index}",
            status=rec.RecordingStatus.UNKNOWN,
            provider_status="archived",
            unread_fields=("size", "meeting.title", "files.size"),
            raw={
                "size": "large",
                "meeting": {"title": 7, "colour": {"red": 1}},
                "files": [{"id": 1, "size": "x"}, {"id": 2, "codec": None}],
                "names": {"Alice": True},
                "new": index * 1.5,
            },
        )
        for index in range(2)
    ]
    session = rec.RecordingSession("acme", "default", None, rec.call("C"), raw={"job": False})
    observation = Observation(emulated_acme, tuple(rows), {"start": session})
    known = {"size", "meeting", "meeting.title", "files", "files.id", "files.size", "names"}
    found = {
        (each.kind, each.name, each.json_type): each.count
        for each in find_unknown_parts(observation, known)
    }
    assert found == {
        ("status", "archived", ""): 2,
        ("unread", "size", "string"): 2,
        ("unread", "meeting.title", "number"): 2,
        ("unread", "files.size", ""): 2,
        ("field", "meeting.colour", "object"): 2,
        ("field", "files.codec", "null"): 2,
        ("field", "new", "number"): 2,
        ("field", "job", "boolean"): 1,
    }
    kinds = {each.kind for each in find_unknown_parts(observation, ())}
    assert kinds == {"status", "unread"}


# -- the command ----------------------------------------------------------------------------------


def test_doctor_reports_which_assumptions_hold(start_acme: Start) -> None:
    for assume, verdict, code in ((), "refuted", 3), ([1], "holds", 0):
        emulator = start_acme(recordings=45, assume=assume)
        result = run("doctor", "acme", "--assumptions")
        assert result.exit_code == code, result.output
        assert read_verdicts(result) == {
            **dict.fromkeys(("plugin", "answer", "credentials", "clock", "recordings"), "ok"),
            "assumption 1": verdict,
            "assumption 2": "not seen",
            "assumption 3": "not seen",
        }
        assert {request.method for request in emulator.list_requests()} == {"GET"}
        assert "\tthe order of a list: " in result.stdout
        assert "docs/assumptions.md" in result.stderr


def test_doctor_without_the_option_checks_no_assumption(start_acme: Start) -> None:
    start_acme(recordings=45)
    assert run("doctor", "acme").exit_code == 0
    assert "assumption 1" not in run("doctor", "acme").output


def test_doctor_records_one_session_after_a_question(start_acme: Start) -> None:
    for assume, verdict in ((), "refuted"), ([1, 2], "holds"):
        emulator = start_acme(recordings=45, assume=assume)
        call_id = emulator.sessions[0].id
        unconfirmed = run("doctor", "acme", "--with-session", call_id)
        assert unconfirmed.exit_code == 2
        assert "confirm it with --yes" in unconfirmed.stderr
        assert not emulator.list_requests()
        for target in (call_id, f"call:{call_id}"):
            before = len(emulator.list_requests())
            result = run("doctor", "acme", "--with-session", target, "--yes")
            verdicts = read_verdicts(result)
            assert verdicts["assumption 2"] == verdict
            assert (verdicts["start"], verdicts["stop"]) == ("ok", "ok")
            sent = [request.method for request in emulator.list_requests()[before:]]
            assert [method for method in sent if method != "GET"] == ["POST", "PUT"]


def test_doctor_asks_before_it_records(start_acme: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = start_acme(recordings=45)
    questions: list[str] = []

    def refuse(question: str, **_: Any) -> None:
        questions.append(question)
        raise rec.RecordingError("Nothing was recorded.")

    monkeypatch.setattr("recording_core.cli.commands.doctor.confirm_action", refuse)
    target = emulator.sessions[0]
    assert run("doctor", "acme", "--with-session", target.id).exit_code == 1
    place = f"account 'default' of Acme Voice at {emulator.base_url}"
    assert questions == [f"Start, pause and stop one recording of {target} with {place}?"]
    assert not emulator.list_requests()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--with-session", "x", "--yes"),
        ("plivo", "--with-session", "x", "--yes"),
        ("plivo", "--with-session", "track:x", "--yes"),
        ("acme", "plivo", "--with-session", "x", "--yes"),
        ("acme", "--with-session", "call:", "--yes"),
    ],
)
def test_doctor_with_a_wrong_session_is_a_wrong_call(
    start_acme: Start, arguments: tuple[str, ...]
) -> None:
    start_acme()
    result = run("doctor", *arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.output


def test_doctor_reports_a_verb_that_fails(start_acme: Start) -> None:
    emulator = start_acme(recordings=45, assume=[1])
    answer = emulator.answer

    def fail_to_stop(request: Request) -> Reply:
        return Reply(503) if request.method == "PUT" else answer(request)

    emulator.answer = fail_to_stop  # type: ignore[method-assign]
    result = run("doctor", "acme", "--with-session", emulator.sessions[0].id, "--yes")
    assert result.exit_code == 3
    assert read_verdicts(result)["stop"] == "attention"
    assert "Stop it: recordings stop acme" in result.stdout


def test_doctor_prints_what_the_provider_does_not_read(start_acme: Start) -> None:
    emulator = start_acme(recordings=45, assume=[1])
    private = "+49 30 123456"

    def alter(_: Request, payload: Any) -> Any:
        rows = payload.get("recordings", [payload])
        for row in rows[:2]:
            row |= {"state": "archived", "bytes": private, "caller": {"number": private}}
        return payload

    emulator.alter = alter
    result = run("doctor", "acme", "--assumptions", "--json")
    assert result.exit_code == 3
    found = [json.loads(line) for line in result.stdout.splitlines()]
    unknown = {each["check"]: each["detail"] for each in found if each["verdict"] == "unknown"}
    assert unknown == {
        "status": "`archived` in 6 of 45",
        "unread": "`bytes`, string, in 6 of 45",
        "field": "`caller`, object, in 6 of 45",
    }
    assert private not in result.output
    assert emulator.credentials["key"] not in result.output


def test_doctor_escapes_the_names_that_a_vendor_chose(start_acme: Start) -> None:
    emulator = start_acme(recordings=1, assume=[1])
    name = "https://media.example/a?signature=s3cret \x1b[31m\n" + "x" * 500
    emulator.alter = lambda _, payload: {
        **payload,
        "recordings": [{**row, name: 1} for row in payload.get("recordings", ())],
    }
    result = run("doctor", "acme", "--assumptions")
    (line,) = [line for line in result.stdout.splitlines() if "\tfield\t" in line]
    assert "s3cret" not in line
    assert "\x1b" not in line
    assert len(line) < 250


def test_doctor_runs_no_probe_without_valid_credentials(
    start_acme: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = start_acme(recordings=45)
    monkeypatch.setenv("ACME_KEY", "wrong-but-secret")
    result = run("doctor", "acme", "--with-session", emulator.sessions[0].id, "--yes")
    assert result.exit_code == 3
    assert "recordings" not in read_verdicts(result)
    assert {request.method for request in emulator.list_requests()} == {"GET"}


# -- the tables -----------------------------------------------------------------------------------

OURS = ("audian", "plivo", "realtimekit", "twilio", "voipbin")


@pytest.mark.parametrize("name", OURS)
def test_doctor_distinguishes_emulators_with_and_without_assumptions(
    name: str, start_emulator: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The conformance suite requires the same of each single probe."""
    clock = ManualClock()
    monkeypatch.setattr("recording_core.provider.connection.SystemClock", lambda: clock)
    verdicts: dict[str, dict[str, str]] = {}
    for assume in ((), "all"):
        emulator = start_emulator(name, recordings=45, assume=assume, clock=clock)
        for setting, value in {**emulator.credentials, "base_url": emulator.base_url}.items():
            monkeypatch.setenv(f"{name}_{setting}".upper(), value)
        result = run("doctor", name, "--assumptions")
        found = read_verdicts(result)
        verdicts[str(assume)] = found
        assert "attention" not in found.values(), result.stdout
        assert "unknown" not in found.values(), result.stdout
    without, with_all = verdicts.values()
    table = load_object(rec.providers()[name], "assumptions")
    numbers = {f"assumption {each.number}" for each in table}
    assert numbers == {check for check in without if check.startswith("assumption")}
    assert not [check for check in numbers if without[check] == "holds"]
    assert not [check for check in numbers if with_all[check] == "refuted"]
    assert [check for check in numbers if with_all[check] == "holds"]


@pytest.mark.parametrize("name", OURS)
def test_the_readme_of_a_provider_has_its_assumptions(name: str) -> None:
    """`test_docs.py` compares the part with the module."""
    if load_object(rec.providers()[name], "assumptions"):
        readme = ROOT / "providers" / name / "README.md"
        assert "<!-- assumptions: written by `make docs` -->" in readme.read_text()
