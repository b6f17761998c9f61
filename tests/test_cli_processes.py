"""Does the command line behave as a process: pipes, signals, plugins, terminals, and the demo?"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import recording_core as rec
from recording_core import plugin
from recording_core.cli.demo.steps import Promises
from recording_core.plugins.registry import load_object
from recording_core.testing import LoopbackServer, Reply, Request

RECORDINGS = (
    sys.executable,
    "-c",
    "import sys; from recording_core.cli import main; sys.exit(main())",
)


def run(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*RECORDINGS, *arguments),
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **(env or {})},
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def emulated() -> Iterator[list[dict[str, Any]]]:
    """What `recordings emulate` says of the vendors that it plays while the tests run."""
    with subprocess.Popen(
        (*RECORDINGS, "emulate", "plivo", "realtimekit", "--json", "--latency-ms", "5"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        yield [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stdout.read() + process.stderr.read() == ""


@pytest.fixture(scope="module")
def environment(emulated: list[dict[str, Any]]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for line in emulated:
        info = rec.providers()[line["provider"]]
        settings[f"{info.name.upper()}_BASE_URL"] = line["base_url"]
        settings |= {each.env: line["credentials"][each.name] for each in info.settings}
    return settings


def test_an_emulator_can_be_connected_to_with_what_it_says(emulated: list[dict[str, Any]]) -> None:
    for line in emulated:
        assert list(line) == ["provider", "base_url", "credentials", "sessions", "webhooks"]
        with rec.connect(line["provider"], base_url=line["base_url"], **line["credentials"]) as it:
            assert len(list(it.list())) == 45
            for each in line["sessions"]:
                target = rec.CommunicationSession(rec.SessionKind(each["kind"]), each["id"])
                assert it.stop(it.start(target)).stopped_at is not None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_an_output_that_takes_nothing_more_is_an_error_of_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            (*RECORDINGS, "matrix", "--json"),
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the output cannot be written")
    assert done.stderr.count("\n") == 1


def test_a_list_in_a_pipe(environment: dict[str, str]) -> None:
    result = run("list", env=environment)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) >= 90
    assert {line.count("\t") for line in lines} == {6}
    assert "\x1b" not in result.stdout + result.stderr


def test_a_reader_who_has_enough(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        (*RECORDINGS, "list", "plivo", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith('{"provider"')
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(20) == 0


def test_ctrl_c_ends_at_once(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        (*RECORDINGS, "list", "plivo"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130
        assert process.stderr.read().strip() == ""


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM])
def test_emulators_end_well_when_interrupted(interrupt: signal.Signals) -> None:
    with subprocess.Popen(
        (*RECORDINGS, "emulate", "plivo", "--recordings", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert re.match(r"Plivo answers at http://127\.0\.0\.1:\d+/v1", process.stdout.readline())
        process.send_signal(interrupt)
        assert process.wait(10) == 0
        assert "Traceback" not in process.stderr.read()


def test_an_emulator_calls_back_where_it_was_told_to() -> None:
    arrived: list[rec.WebhookRequest] = []
    there = threading.Event()

    def answer(request: Request) -> Reply:
        url = f"{request.origin}{request.path}"
        arrived.append(rec.WebhookRequest(request.method, url, request.headers, request.body))
        there.set()
        return Reply()

    with (
        LoopbackServer(answer) as server,
        subprocess.Popen(
            (*RECORDINGS, "emulate", "voipbin", "--json", "--webhook-url", server.origin),
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        target = rec.CommunicationSession(**line["sessions"][0])
        with rec.connect("voipbin", base_url=line["base_url"], **line["credentials"]) as voipbin:
            voipbin.start(target)
        assert there.wait(10)
        process.send_signal(signal.SIGTERM)
    scheme: plugin.WebhookScheme = load_object(rec.providers()["voipbin"], "webhooks")()
    scheme.verify(arrived[0], [line["webhooks"]["secret"]], now=datetime.now(UTC))
    (event,) = scheme.parse(arrived[0], account="default", now=datetime.now(UTC))
    assert (event.kind, event.target) == (rec.EventKind.STARTED, target)


def test_an_emulator_says_how_its_callbacks_are_verified(emulated: list[dict[str, Any]]) -> None:
    for line in emulated:
        scheme: plugin.WebhookScheme = load_object(rec.providers()[line["provider"]], "webhooks")()
        (secret,) = line["webhooks"].values()
        scheme.check_secret(secret)


def test_a_port_that_is_taken(emulated: list[dict[str, Any]]) -> None:
    taken = re.findall(r":(\d+)/", emulated[0]["base_url"])[0]
    result = run("emulate", "plivo", "--port", taken)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: cannot serve plivo on port {taken}:")


def test_on_a_terminal(environment: dict[str, str]) -> None:
    pty = pytest.importorskip("pty")
    parent, child = pty.openpty()
    with subprocess.Popen(
        (*RECORDINGS, "list", "--since", "10d"),
        stdout=child,
        stderr=child,
        stdin=child,
        env={**os.environ, **environment, "COLUMNS": "80", "TERM": "xterm", "NO_COLOR": ""},
    ) as process:
        assert process.wait(20) == 0
        os.close(child)
        text = ""
        try:
            while part := os.read(parent, 65536).decode():
                text += part
        except OSError:
            pass  # how a pseudo-terminal says that it ended
        os.close(parent)
    assert "\x1b[1mCREATED" in text
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r", "").splitlines()
    assert "RealtimeKit" in lines
    assert "CREATED           STATUS      DURATION  RECORDING" in lines
    assert max(map(len, lines)) <= 80


# -- plugins --------------------------------------------------------------------------------------


def install_plugin(folder: Path, name: str, code: str) -> dict[str, str]:
    """An installed plugin of that name, and the environment that finds it."""
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[recording_core]\n{name} = {name}\n")
    return {"PYTHONPATH": str(folder)}


HOOK = """
import click
from recording_core.plugin import hookimpl

@hookimpl
def recording_commands(group):
    @group.command()
    def hello():
        "Say hello."
        click.echo("hello")
"""


def test_a_plugins_command(tmp_path: Path) -> None:
    env = install_plugin(tmp_path, "greeter", HOOK)
    assert "Say hello." in run("--help", env=env).stdout
    assert run("hello", env=env).stdout == "hello\n"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('no\\nway')", "cannot be loaded: RuntimeError: no way"),
        (HOOK + "    raise KeyError('token=s3cret-value')", "greeter failed in recording_commands"),
        (HOOK.replace("hello", "delete"), "would replace the command 'delete'"),
    ],
)
def test_a_broken_plugin_breaks_nothing_else(tmp_path: Path, code: str, said: str) -> None:
    env = install_plugin(tmp_path, "greeter", code)
    result = run("matrix", "--json", env=env)
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) >= 4
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert "s3cret" not in result.stderr
    assert "Say hello" not in run("delete", "--help", env=env).stdout


def test_a_broken_provider_says_why_when_it_is_asked_for(tmp_path: Path) -> None:
    env = install_plugin(tmp_path, "acme", "import not_there")
    asked = run("show", "acme", "x", env=env)
    assert asked.returncode == 1
    assert "No module named 'not_there'" in asked.stderr
    checked = run("doctor", "acme", env=env)
    assert checked.returncode == 3
    assert checked.stdout.startswith("acme\tplugin\tattention\t")


def test_a_bug_is_one_line_too(tmp_path: Path) -> None:
    code = HOOK.replace("click.echo(", "raise KeyError(")
    result = run("hello", env=install_plugin(tmp_path, "greeter", code))
    assert result.returncode == 1
    assert result.stderr.startswith("Error: a bug: KeyError: 'hello'")
    assert result.stderr.count("\n") == 1


# -- what is imported, and the demo ---------------------------------------------------------------


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['recordings', '--help']\n"
        "from recording_core.cli import main; main()\n"
        "heavy = {'requests', 'urllib3', 'rich', 'cattrs', 'http.server', 'ssl', 'asyncio'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run((sys.executable, "-c", code), check=True, stdout=subprocess.DEVNULL)


def test_without_click() -> None:
    code = (
        "import sys; sys.modules['click'] = None\n"
        "from recording_core.cli import main; sys.exit(main())"
    )
    result = subprocess.run(
        (sys.executable, "-c", code), check=False, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "recordings needs click: install recording-core[cli]\n"


#: What a browser plays, of what the emulated vendors give out.
SOUNDS = {".mp3", ".wav", ".opus", ".ogg", ".flac", ".m4a"}


def test_the_demo(tmp_path: Path) -> None:
    began = time.monotonic()
    result = run("demo", "--output", str(tmp_path / "copies"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert time.monotonic() - began < 60
    assert result.stderr == ""
    assert re.search(r"\d+ promises checked, all kept, in \d+ s\.\n$", result.stdout)
    assert "\x1b" not in result.stdout
    lines = [line for line in result.stdout.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= 100
    for info in rec.providers().values():
        assert f"  {info.label}" in result.stdout
    assert any((tmp_path / "copies").glob("*.mp3"))
    assert (tmp_path / "copies" / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert "told: started, stopped, available" in result.stdout
    shown = (tmp_path / "copies" / "index.html").read_text()
    players = set(re.findall(r'<audio [^>]*src="([^"]+)"', shown))
    sounds = {path.name for path in (tmp_path / "copies").iterdir() if path.suffix in SOUNDS}
    assert players == sounds
    assert shown.count('<rect class="pause" x=') == 3
    assert 'href="report.html"' in shown

    cut_off = run("demo", "--drop-webhooks", "--output", str(tmp_path / "others"))
    assert cut_off.returncode == 0, cut_off.stdout + cut_off.stderr
    assert "told: nothing; asked for: available" in cut_off.stdout
    assert "told: started" not in cut_off.stdout
    assert tables(cut_off.stdout) == tables(result.stdout)


def tables(shown: str) -> list[str]:
    """What a demo ends with, but for when it was and where it wrote."""
    _, _, end = shown.partition("\n8. ")
    moving = ("Recordings until", "As a page", "The copies", " promises checked")
    return [line for line in end.splitlines() if not any(each in line for each in moving)]


def test_a_demo_that_is_not_as_promised(capsys: pytest.CaptureFixture[str]) -> None:
    def start() -> None:
        raise rec.NotFound("no such call", provider="vendor", operation="start")

    promises = Promises()
    promises.hold(True, "kept")
    with promises.within("Vendor call"):
        start()
    assert promises.kept == 1
    assert promises.broken == ["Vendor call: vendor start: no such call"]
    assert "NOT AS PROMISED" in capsys.readouterr().out
