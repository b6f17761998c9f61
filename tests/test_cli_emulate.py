"""Commands `emulate` and `completion`: what they print, and what a shell does with it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

import recording_core as rec
from recording_core.cli.app import build_command_line

EMULATED = [name for name, info in rec.providers().items() if info.emulator is not None]


def run(*arguments: str) -> Result:
    """Run a command in this process; returns its output and exit code."""
    return CliRunner().invoke(build_command_line(), arguments, prog_name="recordings")


pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`meanwhile(act)` calls `act` while the emulators run, in place of the wait for Ctrl-C."""

    def replace(act: Callable[[], Any]) -> list[Any]:
        found: list[Any] = []
        name = "recording_core.cli.commands.emulate.watch_for_interrupt"
        monkeypatch.setattr(name, lambda: lambda: found.append(act()))
        return found

    return replace


def source(lines: str, *names: str) -> dict[str, str]:
    """Source lines in a shell, and return the variables of these names."""
    script = lines + "".join(f'printf "%s\\0" "${name}"\n' for name in names)
    done = subprocess.run(("sh", "-eu"), input=script, capture_output=True, text=True, check=True)
    return dict(zip(names, done.stdout.split("\0"), strict=False))


# -- emulate --------------------------------------------------------------------------------------


def test_emulate_plays_all_vendors_with_distinct_accounts(meanwhile: Callable[..., Any]) -> None:
    meanwhile(list)
    results = [run("emulate", "--json", "--accounts", "2", "--recordings", "3")]
    results.append(run("emulate", "--json", "--seed", "7", "--recordings", "3"))
    lines = [[json.loads(line) for line in each.stdout.splitlines()] for each in results]
    assert [(each["provider"], each["account"]) for each in lines[0]] == [
        (name, account) for name in EMULATED for account in ("default", "account2")
    ]
    assert [each["provider"] for each in lines[1]] == EMULATED
    assert all("account" not in each for each in lines[1])
    for name in EMULATED:
        own = [each for found in lines for each in found if each["provider"] == name]
        for key in ("credentials", "sessions", "base_url"):
            assert len({json.dumps(each[key]) for each in own}) == 3, key


def test_lines_for_source_name_the_file_of_several_accounts(
    meanwhile: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def list_rows() -> tuple[str, list[list[str]]]:
        [path] = tmp_path.glob("*/recordings.toml")
        assert path.stat().st_mode & 0o777 == 0o600
        listed = run("list", "--config", str(path))
        assert (listed.exit_code, "Warning" in listed.stderr) == (0, False), listed.stderr
        return str(path), [line.split("\t") for line in listed.stdout.splitlines()[1:]]

    found = meanwhile(list_rows)
    done = run("emulate", "--env", "--accounts", "2", "--recordings", "3")
    [(path, rows)] = found
    assert {(row[0], row[7]) for row in rows} == {
        (name, account) for name in EMULATED for account in ("default", "account2")
    }
    assert len({row[1] for row in rows}) == len(rows) == 2 * 3 * len(EMULATED)
    assert source(done.stdout, "RECORDINGS_CONFIG") == {"RECORDINGS_CONFIG": path}
    assert list(tmp_path.iterdir()) == []


def test_lines_for_source_are_the_variables_of_each_vendor(
    meanwhile: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[str] = []

    def echo(text: str = "", err: bool = False, **_: Any) -> None:
        printed.extend(() if err else (text,))

    monkeypatch.setattr("click.echo", echo)

    def list_lines() -> int:
        names = set(re.findall(r"export (\w+)=", "\n".join(printed)))
        for name, value in source("\n".join(printed) + "\n", *names).items():
            monkeypatch.setenv(name, value)
        for info in rec.providers().values():
            assert rec.receiver(info.name, **read_webhooks(info.name)) is not None
            with rec.connect(info.name) as provider:
                assert len(list(provider.list())) == 3
        return len(names)

    found = meanwhile(list_lines)
    done = run("emulate", "--env", "--recordings", "3")
    assert (done.exit_code, done.exception) == (0, None)
    assert found[0] >= 3 * len(EMULATED)


def test_each_emulator_is_controlled_at_its_own_url(meanwhile: Callable[..., Any]) -> None:
    printed: list[Any] = []

    def control_all() -> list[int]:
        counts = []
        for line in printed:
            url = line["control"]
            for action, body in (("seed", {"recordings": 7}), ("advance", {"seconds": 3600})):
                request = urllib.request.Request(f"{url}/{action}", json.dumps(body).encode())
                with urllib.request.urlopen(request, timeout=30) as response:
                    answer = json.load(response)
                if action == "seed":
                    assert answer == line
            with rec.connect(
                line["provider"], base_url=line["base_url"], **line["credentials"]
            ) as provider:
                counts.append(len(list(provider.list())))
        return counts

    found = meanwhile(control_all)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("click.echo", lambda text="", **_: printed.append(json.loads(text)))
        done = run("emulate", "--json", "--recordings", "3")
    assert (done.exit_code, done.exception) == (0, None)
    assert found == [[7] * len(EMULATED)]


def read_webhooks(provider: str) -> dict[str, Any]:
    prefix = f"{provider.upper()}_WEBHOOK_"
    return {
        name.removeprefix(prefix).lower(): value
        for name, value in os.environ.items()
        if name.startswith(prefix)
    }


def test_json_and_lines_for_source_exclude_each_other() -> None:
    assert run("emulate", "--json", "--env").exit_code == 2


# -- completion -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "variable", "path", "advice"),
    [
        ("bash", "XDG_DATA_HOME", "bash-completion/completions/recordings", "Open a new shell"),
        ("zsh", "ZDOTDIR", ".zfunc/_recordings", "Add to .zshrc"),
        ("fish", "XDG_CONFIG_HOME", "fish/completions/recordings.fish", "Open a new shell"),
    ],
)
def test_completion_is_printed_or_installed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shell: str,
    variable: str,
    path: str,
    advice: str,
) -> None:
    monkeypatch.setenv(variable, str(tmp_path))
    printed = run("completion", shell)
    assert (printed.exit_code, list(tmp_path.iterdir())) == (0, [])
    assert f"_RECORDINGS_COMPLETE={shell}_complete" in printed.stdout
    installed = run("completion", shell, "--install")
    assert (installed.exit_code, installed.stdout) == (0, "")
    assert installed.stderr.startswith(f"Wrote {tmp_path / path}. {advice}")
    assert (tmp_path / path).read_text() == printed.stdout
    monkeypatch.setenv(variable, "/dev/null")
    refused = run("completion", shell, "--install")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: Cannot write /dev/null/")


def test_a_shell_completes_providers_accounts_and_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = '[[account]]\nprovider = "{}"\nname = "{}"\nbase_url = "http://127.0.0.1:1"\n'
    accounts = (("plivo", "sales"), ("plivo", "support"), ("voipbin", "spare"))
    (tmp_path / "a.toml").write_text("".join(table.format(*each) for each in accounts))
    (tmp_path / "a.toml").chmod(0o600)
    monkeypatch.setenv("RECORDINGS_CONFIG", str(tmp_path / "a.toml"))

    def complete(*words: str) -> list[str]:
        *before, last = words
        shell = ShellComplete(build_command_line(), {}, "recordings", "_RECORDINGS_COMPLETE")
        return [each.value for each in shell.get_completions(list(before), last)]

    assert complete("do") == ["download", "doctor"]
    for verb in ("list", "show", "stop", "start", "download"):
        assert complete(verb, "pl") == ["plivo"]
    assert complete("start", "plivo", "c") == ["call", "conference"]
    assert complete("list", "--account", "s") == ["sales", "spare", "support"]
    for before in (("show", "plivo", "x"), ("list", "plivo"), ("stop", "plivo", "call", "x")):
        assert complete(*before, "--account", "s") == ["sales", "support"]
    monkeypatch.setenv("RECORDINGS_CONFIG", str(tmp_path / "missing.toml"))
    assert complete("list", "--account", "s") == []


def test_the_help_states_how_to_install_the_completion() -> None:
    context = click.Context(build_command_line().commands["completion"])
    assert "source <(recordings completion bash)" in context.command.get_help(context)
