"""Accounts on the command line: which one each command uses, with a file and an environment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import recording_core as rec
from recording_core.cli.app import build_command_line
from recording_core.cli.commands.emulate import build_emulator
from recording_core.cli.output.values import sanitize_line
from recording_core.testing import Emulator


def run(*arguments: str, input: str | None = None) -> Result:
    return CliRunner().invoke(build_command_line(), arguments, input=input, prog_name="recordings")


def load_objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


pytestmark = pytest.mark.usefixtures("clean_environment")


def start_emulator(seed: int, recordings: int) -> Emulator:
    info = rec.providers()["plivo"]
    settings = {"recordings": recordings, "processing": timedelta(0), "seed": seed}
    return build_emulator(info, **settings)


@pytest.fixture
def sales() -> Iterator[Emulator]:
    """The account `sales` of the file in this folder."""
    with start_emulator(1, 6) as emulator:
        write_file(sales=emulator)
        yield emulator


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Another account, which the environment configures."""
    with start_emulator(2, 4) as emulator:
        monkeypatch.setenv("PLIVO_BASE_URL", emulator.base_url)
        for name, value in emulator.credentials.items():
            monkeypatch.setenv(f"PLIVO_{name.upper()}", value)
        yield emulator


def write_file(path: str = "recordings.toml", **accounts: Emulator) -> str:
    tables = []
    for name, emulator in accounts.items():
        given = {"name": name, "base_url": emulator.base_url, **emulator.credentials}
        settings = "".join(f'{key} = "{value}"\n' for key, value in given.items())
        tables.append(f'[[account]]\nprovider = "plivo"\nallow_clear = true\n{settings}')
    Path(path).write_text("".join(tables))
    Path(path).chmod(0o600)
    return path


def describe(emulator: Emulator, name: str) -> str:
    return f"account {name!r} of Plivo at {emulator.base_url}"


# -- one recording --------------------------------------------------------------------------------


def test_delete_repeats_account_and_url_and_deletes_there(
    sales: Emulator, environment: Emulator
) -> None:
    [id, *_] = sales.list_ids()
    unconfirmed = run("delete", "plivo", id, "--account", "sales")
    assert unconfirmed.exit_code == 2
    place = describe(sales, "sales")
    assert f"This deletes 1 recording of {place} permanently: confirm" in unconfirmed.stderr
    assert run("delete", "plivo", id, "--yes").exit_code == 1  # there is none at `default`
    assert id in sales.list_ids()
    seen = len(environment.list_requests())
    deleted = run("delete", "plivo", id, "--account", "sales", "--yes")
    assert (deleted.exit_code, deleted.stderr) == (0, f"Deleted {id} of {place}.\n")
    assert id not in sales.list_ids()
    assert len(environment.list_requests()) == seen


def test_delete_does_not_ask_for_what_the_vendor_cannot_delete(sales: Emulator) -> None:
    account = f'name = "eu"\nallow_clear = true\nbase_url = "{sales.base_url}"\n'
    keys = "".join(f'{key} = "{"a" * 32}"\n' for key in ("account_id", "app_id", "api_token"))
    with Path("recordings.toml").open("a") as file:
        file.write(f'[[account]]\nprovider = "realtimekit"\n{account}{keys}')
    done = run("delete", "realtimekit", "R1")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: RealtimeKit cannot delete recordings\n"


def test_delete_asks_with_account_and_url(sales: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        "recording_core.cli.commands.recordings.confirm_action",
        lambda question, **_: asked.append(sanitize_line(question)),
    )
    first, second, *_ = sales.list_ids()
    result = run("delete", "plivo", first, second, "--json")
    assert asked == [f"Delete 2 recordings of {describe(sales, 'sales')} permanently?"]
    assert load_objects(result)[0]["account"] == "sales"


@pytest.mark.parametrize("verb", ["show", "download", "delete"])
def test_verbs_use_the_account_that_is_named(
    sales: Emulator, environment: Emulator, verb: str
) -> None:
    more = ("--yes",) if verb == "delete" else ()
    sold = next(each for each in load_objects(run("list", "--account", "sales", "--json")))
    used = run(verb, "plivo", sold["id"], "--account", "sales", "--json", *more)
    assert used.exit_code == 0, used.stderr
    assert load_objects(used)[0].get("account", "sales") == "sales"
    assert environment.list_requests() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("start", "plivo", "call", "C1"),
        ("stop", "plivo", "call", "C1"),
        ("active", "plivo", "meeting", "C1"),
        ("show", "plivo", "R1"),
        ("download", "plivo", "R1"),
        ("delete", "plivo", "R1", "--yes"),
        ("list",),
        ("list", "plivo"),
        ("doctor",),
        ("doctor", "plivo"),
        ("report",),
        ("report", "--from", "stored"),
        ("missing", "--expected", "expected.csv"),
        ("webhooks", "reconcile", "--since", "1d"),
        ("webhooks", "serve", "plivo", "--secret-env", "PLIVO_AUTH_TOKEN"),
        ("webhooks", "verify", "plivo", "expected.csv", "--secret-env", "PLIVO_AUTH_TOKEN"),
    ],
)
def test_unknown_account_is_an_error_that_lists_the_known_ones(
    sales: Emulator, environment: Emulator, arguments: tuple[str, ...]
) -> None:
    Path("expected.csv").write_bytes(b"POST / HTTP/1.1\n\n" if "verify" in arguments else b"")
    if "missing" in arguments:
        Path("expected.csv").write_text("provider,kind,id\n")
    result = run(*arguments, "--account", "slaes")
    assert (result.exit_code, result.stdout) == (1, ""), result.stderr
    assert "Error: No account 'slaes'" in result.stderr
    path = Path("recordings.toml").absolute()
    known = f"'sales' of plivo ({path}), 'default' of plivo (environment)"
    assert f"the configured accounts are: {known}" in result.stderr
    assert sales.list_requests() == environment.list_requests() == []


def test_config_names_the_file_of_every_command(environment: Emulator) -> None:
    with start_emulator(3, 5) as other:
        path = write_file("others.toml", other=other)
        for command in (("list",), ("webhooks", "reconcile", "--since", "1d"), ("doctor",)):
            result = run(*command, "--account", "other", "--config", path)
            assert result.exit_code in (0, 3), result.stderr
            assert len(other.list_requests()) > 0
            other.list_requests().clear()
        [id, *_] = other.list_ids()
        assert run("show", "plivo", id, "--account", "other", "--config", path).exit_code == 0
    assert environment.list_requests() == []


# -- all accounts ---------------------------------------------------------------------------------


def test_list_goes_over_all_accounts_and_prints_which(
    sales: Emulator, environment: Emulator
) -> None:
    for arguments in ((), ("plivo",)):
        result = run("list", *arguments)
        assert result.exit_code == 0, result.stderr
        rows = [line.split("\t") for line in result.stdout.splitlines()]
        found = {row[1]: row[7] for row in rows if row[0] == "plivo"}
        assert found == {
            **dict.fromkeys(sales.list_ids(), "sales"),
            **dict.fromkeys(environment.list_ids(), "default"),
        }
        assert re.search(r"^plivo sales: 6 recordings seen", result.stderr, re.MULTILINE)
        assert re.search(r"^plivo default: 4 recordings seen", result.stderr, re.MULTILINE)
    one = load_objects(run("list", "--account", "sales", "--json"))
    assert {each["account"] for each in one[:-1]} == {"sales"}
    assert {each["id"] for each in one[:-1]} == set(sales.list_ids())
    assert one[-1]["coverage"]["account"] == "sales"


def test_an_account_that_fails_is_named_and_does_not_stop_the_others(
    sales: Emulator, environment: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIVO_AUTH_TOKEN", "wrong-token")
    for command in (("list",), ("webhooks", "reconcile", "--since", "90d")):
        result = run(*command)
        assert result.exit_code == 3
        assert re.search(r"^Error: plivo default: plivo list:", result.stderr, re.MULTILINE)
        assert re.search(r"^plivo sales: ", result.stderr, re.MULTILINE)


def test_a_url_is_not_given_to_several_accounts(sales: Emulator, environment: Emulator) -> None:
    for command in (("list",), ("list", "plivo"), ("doctor",), ("doctor", "plivo")):
        result = run(*command, "--base-url", sales.base_url)
        assert result.exit_code == 2
        assert "--base-url needs exactly one account" in result.stderr
    result = run("list", "--account", "sales", "--base-url", sales.base_url)
    assert result.exit_code == 0, result.stderr
    assert environment.list_requests() == []


@pytest.mark.long
def test_report_goes_over_all_accounts_or_one(sales: Emulator, environment: Emulator) -> None:
    result = run("report", "--by", "account", "--json")
    rows = {row["account"]: row["recordings"] for row in json.loads(result.stdout)["rows"]}
    assert rows == {"sales": 6, "default": 4}
    assert "plivo sales: 6 recordings seen" in result.stderr
    seen = len(environment.list_requests())
    result = run("report", "--by", "account", "--json", "--account", "sales")
    rows = {row["account"]: row["recordings"] for row in json.loads(result.stdout)["rows"]}
    assert rows == {"sales": 6}
    assert len(environment.list_requests()) == seen


def test_reconcile_goes_over_all_accounts(sales: Emulator, environment: Emulator) -> None:
    result = run("webhooks", "reconcile", "--since", "100d", "--json")
    assert result.exit_code == 0, result.stderr
    assert {each["account"] for each in load_objects(result)} == {"sales", "default"}
    assert re.search(r"^plivo sales: \d+ events dispatched", result.stderr, re.MULTILINE)
    assert re.search(r"^plivo default: \d+ events dispatched", result.stderr, re.MULTILINE)
    one = run("webhooks", "reconcile", "plivo", "--account", "sales", "--since", "100d", "--json")
    assert {each["account"] for each in load_objects(one)} == {"sales"}


def test_doctor_checks_each_account(
    sales: Emulator, environment: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIVO_AUTH_TOKEN", "wrong-token")
    for arguments in ((), ("plivo",)):
        result = run("doctor", *arguments, "--json")
        assert result.exit_code == 3
        found = {
            (each["account"], each["check"]): each["verdict"]
            for each in load_objects(result)
            if each["provider"] == "plivo"
        }
        assert found[None, "plugin"] == "ok"
        assert found["sales", "credentials"] == "ok"
        assert found["default", "credentials"] == "attention"
    providers = {each["provider"] for each in load_objects(run("doctor", "--json"))}
    assert providers == {None, *rec.providers()}  # None: this machine
    alone = load_objects(run("doctor", "--account", "sales", "--json"))
    assert {each["account"] for each in alone} == {None, "sales"}


def test_doctor_confirms_a_recording_with_account_and_url(
    sales: Emulator, environment: Emulator
) -> None:
    result = run("doctor", "plivo", "--account", "sales", "--with-session", "call:C1")
    assert result.exit_code == 2
    assert f"one recording of call:C1 with {describe(sales, 'sales')}: confirm" in result.stderr
    assert sales.list_requests() == environment.list_requests() == []


def test_same_credentials_under_two_names_are_listed_once(
    environment: Emulator,
) -> None:
    write_file(sales=environment, again=environment)
    sentence = "of plivo ({}) has the same credentials as account 'sales': it is listed and counted"
    for command in (("list",), ("webhooks", "reconcile", "--since", "100d")):
        result = run(*command, "--json")
        assert result.exit_code == 0, result.stderr
        rows = [each for each in load_objects(result) if "coverage" not in each]
        assert {each["account"] for each in rows} == {"sales"}
        assert len({json.dumps(each) for each in rows}) == len(rows)
        place = Path("recordings.toml").absolute()
        assert f"account 'again' {sentence.format(place)}" in result.stderr
        assert f"account 'default' {sentence.format('environment')}" in result.stderr
    found = load_objects(run("doctor", "plivo", "--json"))
    skipped = [each for each in found if each["verdict"] == "skipped" and each["account"]]
    assert {each["account"] for each in skipped} >= {"again", "default"}
    assert "the same as those of account 'sales'" in skipped[-1]["detail"]
    report = json.loads(run("report", "--by", "account", "--json").stdout)
    assert [(row["account"], row["recordings"]) for row in report["rows"]] == [("sales", 4)]
    target = next(each["target"] for each in rows if each["kind"] == "available" and each["target"])
    named = f"plivo,{target['kind']},{target['id']},default"
    Path("calls.csv").write_text(f"provider,kind,id,account\n{named}\n")
    missing = run("missing", "--expected", "calls.csv", "--all", "--json")
    assert [each["outcome"] for each in load_objects(missing)] == ["recorded"], missing.stderr


def test_providers_names_the_accounts(sales: Emulator, environment: Emulator) -> None:
    found = {each["name"]: each["accounts"] for each in load_objects(run("providers", "--json"))}
    assert found["plivo"] == ["sales", "default"]
    assert found["voipbin"] == []


# -- sessions -------------------------------------------------------------------------------------


def test_a_session_is_stopped_with_its_own_account(sales: Emulator, environment: Emulator) -> None:
    call = sales.sessions[0].id
    started = run("start", "plivo", "call", call, "--account", "sales", "--json")
    assert started.exit_code == 0, started.stderr
    other = run("stop", "-", "--account", "default", input=started.stdout)
    assert other.exit_code == 2
    assert "The session belongs to account 'sales', not to 'default'." in other.stderr
    stopped = run("stop", "-", "--json", input=started.stdout)
    assert stopped.exit_code == 0, stopped.stderr
    assert load_objects(stopped)[0]["account"] == "sales"
    assert environment.list_requests() == []


def test_a_session_of_an_account_that_is_not_configured_is_refused(
    sales: Emulator, environment: Emulator
) -> None:
    call = sales.sessions[0].id
    started = run("start", "plivo", "call", call, "--account", "sales", "--json")
    Path("recordings.toml").unlink()
    for verb in ("stop", "pause", "resume"):
        refused = run(verb, "-", input=started.stdout)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "No account 'sales' of plivo is configured" in refused.stderr
    assert environment.list_requests() == []


def test_events_carry_the_account(sales: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only account needs no name."""
    built: list[str] = []

    class Receiver(rec.Receiver):
        def __init__(self, *args: Any, **keys: Any) -> None:
            built.append(keys["account"])
            super().__init__(*args, **keys)

    monkeypatch.setattr(rec, "Receiver", Receiver)
    monkeypatch.setenv("SECRET", "x" * 40)
    Path("request").write_bytes(b"POST / HTTP/1.1\nHost: app.example\n\n")
    arguments = ("webhooks", "verify", "plivo", "request", "--secret-env", "SECRET")
    assert run(*arguments).exit_code == 1
    assert run(*arguments, "--account", "sales").exit_code == 1
    Path("recordings.toml").unlink()
    assert run(*arguments).exit_code == 1
    assert built == ["sales", "sales", "default"]
