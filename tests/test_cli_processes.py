"""Command line as a process: pipes, signals, terminals, plugins, imports and the demo."""

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
from recording_core.cli.demo.steps import Requirements
from recording_core.plugins.registry import load_object
from recording_core.testing import LoopbackServer, Reply, Request
from recording_core.testing.emulator.media import build_mp3

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
    """The JSON lines that `recordings emulate` prints; it runs while the tests run."""
    with subprocess.Popen(
        (*RECORDINGS, "emulate", "plivo", "realtimekit", "twilio", "--json", "--latency-ms", "5"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        yield [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stdout.read() + process.stderr.read() == ""


@pytest.fixture(scope="module")
def environment(emulated: list[dict[str, Any]]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for line in emulated:
        info = rec.providers()[line["provider"]]
        settings[f"{info.name.upper()}_BASE_URL"] = line["base_url"]
        variables = {each.name: each.env for each in info.settings}
        settings |= {variables[name]: value for name, value in line["credentials"].items()}
    return settings


def test_emulate_prints_how_to_connect(emulated: list[dict[str, Any]]) -> None:
    for line in emulated:
        names = ["provider", "base_url", "credentials", "sessions", "webhooks", "control"]
        assert list(line) == names
        with rec.connect(
            line["provider"], base_url=line["base_url"], **line["credentials"]
        ) as provider:
            assert len(list(provider.list())) == 45
            for each in line["sessions"]:
                target = rec.CommunicationSession(rec.SessionKind(each["kind"]), each["id"])
                if provider.can(rec.Operation.START, target.kind):
                    assert provider.stop(provider.start(target)).stopped_at is not None
                else:  # the emulator has started it, as the vendor does
                    session = provider.active(target)
                    assert session is not None
                    assert provider.pause(session).status is rec.RecordingStatus.PAUSED


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error_of_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            (*RECORDINGS, "matrix", "--json"),
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Cannot write the output")
    assert done.stderr.count("\n") == 1


def test_list_in_a_pipe(environment: dict[str, str]) -> None:
    result = run("list", env=environment)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) >= 90
    assert {line.count("\t") for line in lines} == {7}
    names = "provider recording status created duration size target account"
    assert [line for line in lines if line.startswith("provider")] == [names.replace(" ", "\t")]
    assert "\x1b" not in result.stdout + result.stderr


def test_a_closed_pipe_is_not_an_error(environment: dict[str, str]) -> None:
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


def test_ctrl_c_ends_the_command_immediately(environment: dict[str, str]) -> None:
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
        written = process.stderr.read().strip()
    assert re.fullmatch(
        r"Interrupted. Listed so far, not complete: plivo: \d+ recordings?\.", written
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_download_leaves_no_file(
    serve: Any, tmp_path: Path, number: signal.Signals
) -> None:
    head = {"Content-Type": "audio/mpeg"}

    def reply(request: Request) -> Reply:
        if request.path.startswith("/m/"):
            return Reply(body=build_mp3(1.0), headers=head, stall="middle")
        url = f"{request.origin}/m/{request.segments()[-1]}.mp3"
        return Reply.json({"recording_id": request.segments()[-1], "recording_url": url})

    origin, _ = serve(reply)
    environment = {
        "PLIVO_BASE_URL": f"{origin}/v1", "PLIVO_AUTH_ID": "M" * 20, "PLIVO_AUTH_TOKEN": "t" * 40,
    }  # fmt: skip
    with subprocess.Popen(
        (*RECORDINGS, "download", "plivo", "r1", "r2", "--to", str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    ) as process:
        end = time.monotonic() + 20
        while not list(tmp_path.glob(".*.part")) and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=5)
    note = b"Interrupted. 2 recordings: 2 not downloaded."
    assert (process.returncode, out, err.strip()) == (128 + number, b"", note)
    assert list(tmp_path.iterdir()) == []


def test_an_ignored_signal_stays_ignored(environment: dict[str, str]) -> None:
    """As `nohup` starts commands."""
    with subprocess.Popen(
        (*RECORDINGS, "list", "plivo"),
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_second_signal_does_not_interrupt_the_cleanup() -> None:
    code = (
        "import os, signal\n"
        "from recording_core.cli.signals import raise_interrupts\n"
        "get_code = raise_interrupts()\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "except KeyboardInterrupt:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    print('removed', get_code())\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", code), check=True, capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "removed 143\n"


def test_a_closed_terminal_ends_the_command(environment: dict[str, str]) -> None:
    pty = pytest.importorskip("pty")
    pid, parent = pty.fork()
    if pid == 0:
        os.execve(sys.executable, (*RECORDINGS, "list", "plivo"), {**os.environ, **environment})
    os.read(parent, 10)
    os.close(parent)  # sends SIGHUP, and no more can be written
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 129


def test_the_library_sets_no_signal_handler() -> None:
    code = (
        "import signal; handlers = [signal.getsignal(each) for each in signal.valid_signals()]\n"
        "import recording_core as rec, recording_core.cli.app\n"
        "rec.connect('plivo', auth_id='M' * 20, auth_token='t' * 40); rec.MemoryReplayStore()\n"
        "assert handlers == [signal.getsignal(each) for each in signal.valid_signals()]\n"
    )
    subprocess.run((sys.executable, "-c", code), check=True, timeout=30)


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_emulate_ends_with_exit_code_0_when_interrupted(interrupt: signal.Signals) -> None:
    with subprocess.Popen(
        (*RECORDINGS, "emulate", "plivo", "--recordings", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert re.match(r"Plivo runs at http://127\.0\.0\.1:\d+/v1", process.stdout.readline())
        process.send_signal(interrupt)
        assert process.wait(10) == 0
        assert "Traceback" not in process.stderr.read()


def test_a_signal_at_any_moment_of_a_wait_ends_it() -> None:
    """Also in the middle of a function of `threading`, which may hold a lock."""
    code = (
        "import random, signal, time\n"
        "from recording_core.cli import signals\n"
        "signals._STOPS, sleep = (signal.SIGALRM,), time.sleep\n"
        "time.sleep = lambda seconds: sleep(seconds / 1000)\n"
        "for _ in range(3000):\n"
        "    wait = signals.watch_for_interrupt()\n"
        "    signal.setitimer(signal.ITIMER_REAL, 1e-6 + random.random() * 6e-5)\n"
        "    wait()\n"
    )
    subprocess.run((sys.executable, "-c", code), check=True, timeout=60)


def test_emulate_sends_webhooks_to_the_given_url() -> None:
    arrived: list[rec.WebhookRequest] = []
    received = threading.Event()

    def answer(request: Request) -> Reply:
        url = f"{request.origin}{request.path}"
        arrived.append(rec.WebhookRequest(request.method, url, request.headers, request.body))
        received.set()
        return Reply()

    with (
        LoopbackServer(answer) as server,
        subprocess.Popen(
            (
                *(*RECORDINGS, "emulate", "voipbin", "--json"),
                *("--webhook-url", server.origin + "/hooks/{provider}"),
            ),
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        target = rec.CommunicationSession(**line["sessions"][0])
        with rec.connect("voipbin", base_url=line["base_url"], **line["credentials"]) as voipbin:
            voipbin.start(target)
        assert received.wait(10)
        process.send_signal(signal.SIGTERM)
    scheme: plugin.WebhookScheme = load_object(rec.providers()["voipbin"], "webhooks")()
    scheme.verify(arrived[0], [line["webhooks"]["secret"]], now=datetime.now(UTC))
    (event,) = scheme.parse(arrived[0], account="default", now=datetime.now(UTC))
    assert arrived[0].url.endswith("/hooks/voipbin")
    assert (event.kind, event.target) == (rec.EventKind.STARTED, target)


def test_emulate_prints_the_webhook_secrets(emulated: list[dict[str, Any]]) -> None:
    for line in emulated:
        scheme: plugin.WebhookScheme = load_object(rec.providers()[line["provider"]], "webhooks")()
        (secret,) = line["webhooks"].values()
        scheme.check_secret(secret)


def test_emulate_on_a_port_in_use(emulated: list[dict[str, Any]]) -> None:
    port = re.findall(r":(\d+)/", emulated[0]["base_url"])[0]
    result = run("emulate", "plivo", "--port", port)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: Cannot serve plivo on port {port}:")


def run_on_terminal(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a command on a pseudo-terminal of 80 columns; returns what it printed."""
    pty = pytest.importorskip("pty")
    parent, child = pty.openpty()
    with subprocess.Popen(
        (*RECORDINGS, *arguments),
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
            pass  # the end of a pseudo-terminal
        os.close(parent)
    return text


def test_list_on_a_terminal(environment: dict[str, str]) -> None:
    text = run_on_terminal(environment, "list", "--since", "10d")
    assert "\x1b[1mCREATED" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r", "")
    lines = [line.rstrip() for line in plain.splitlines()]
    assert "RealtimeKit" in lines
    assert "CREATED (UTC)     STATUS      DURATION  RECORDING" in lines
    assert max(map(len, lines)) <= 80


def test_download_of_several_on_a_terminal_shows_one_bar_and_one_table(
    environment: dict[str, str], tmp_path: Path
) -> None:
    listed = run("list", "plivo", "--since", "15d", env=environment).stdout.splitlines()[1:]
    ids = [line.split("\t")[1] for line in listed][:3]
    text = run_on_terminal(environment, "download", "plivo", *ids, "--to", str(tmp_path))
    assert f"of {len(ids)} recordings" in text.replace("\N{NO-BREAK SPACE}", " ")
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n").splitlines()
    assert not any("━" in line for line in plain if ids[0] in line)
    assert sum(line.startswith("COPY") for line in plain) == 1
    [summary] = [line for line in plain if " downloaded (" in line]
    assert summary.startswith(f"{len(ids)} recordings: {len(ids)} downloaded (")


# -- plugins --------------------------------------------------------------------------------------


def install_plugin(folder: Path, name: str, code: str) -> dict[str, str]:
    """Install a plugin; returns the environment variables with which Python finds it."""
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
        "Print a greeting."
        click.echo("hello")
"""


def test_a_plugin_can_add_a_command(tmp_path: Path) -> None:
    env = install_plugin(tmp_path, "greeter", HOOK)
    assert "Print a greeting." in run("--help", env=env).stdout
    assert run("hello", env=env).stdout == "hello\n"


@pytest.mark.parametrize(
    ("code", "warning"),
    [
        ("raise RuntimeError('no\\nway')", "cannot be loaded: RuntimeError: no\\nway"),
        (HOOK + "    raise KeyError('token=s3cret-value')", "greeter failed in recording_commands"),
        (HOOK.replace("hello", "delete"), "tried to replace the built-in command 'delete'"),
    ],
)
def test_a_broken_plugin_does_not_affect_other_commands(
    tmp_path: Path, code: str, warning: str
) -> None:
    env = install_plugin(tmp_path, "greeter", code)
    result = run("matrix", "--json", env=env)
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) >= 4
    assert warning in result.stderr
    assert result.stderr.count("\n") == 1
    assert "s3cret" not in result.stderr
    assert "Print a greeting" not in run("delete", "--help", env=env).stdout


def test_the_error_of_a_broken_provider_is_shown_when_it_is_used(tmp_path: Path) -> None:
    env = install_plugin(tmp_path, "acme", "import not_there")
    shown = run("show", "acme", "x", env=env)
    assert shown.returncode == 1
    assert "No module named 'not_there'" in shown.stderr
    checked = run("doctor", "acme", env=env)
    assert checked.returncode == 3
    assert "\nacme\t\tplugin\tattention\t" in checked.stdout


def test_an_unexpected_exception_is_shown_as_one_line(tmp_path: Path) -> None:
    code = HOOK.replace("click.echo(", "raise KeyError(")
    result = run("hello", env=install_plugin(tmp_path, "greeter", code))
    assert result.returncode == 1
    assert result.stderr.startswith("Error: Unexpected error, probably a bug: KeyError: 'hello'")
    assert result.stderr.count("\n") == 1


# -- imports and the demo -------------------------------------------------------------------------


def test_help_imports_no_heavy_module() -> None:
    code = (
        "import sys; sys.argv = ['recordings', '--help']\n"
        "from recording_core.cli import main; main()\n"
        "heavy = {'requests', 'urllib3', 'rich', 'cattrs', 'http.server', 'ssl', 'asyncio'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run((sys.executable, "-c", code), check=True, stdout=subprocess.DEVNULL)


def test_missing_click_is_an_error_of_one_line() -> None:
    code = (
        "import sys; sys.modules['click'] = None\n"
        "from recording_core.cli import main; sys.exit(main())"
    )
    result = subprocess.run(
        (sys.executable, "-c", code), check=False, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: The command line needs click, which is not installed: "
        "pip install 'recording-core[cli]'\n"
    )


#: File name extensions of the emulated vendors' audio files that a browser plays.
AUDIO = {".mp3", ".wav", ".opus", ".ogg", ".flac", ".m4a"}


@pytest.mark.long
def test_the_demo(tmp_path: Path) -> None:
    began = time.monotonic()
    result = run("demo", "--output", str(tmp_path / "copies"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert time.monotonic() - began < 60
    assert result.stderr == ""
    assert re.search(r"\d+ requirements checked, all met, in \d+ s\.\n$", result.stdout)
    assert "\x1b" not in result.stdout
    lines = [line for line in result.stdout.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= 100
    for info in rec.providers().values():
        assert f"  {info.label}" in result.stdout
    assert any((tmp_path / "copies").glob("*.mp3"))
    assert (tmp_path / "copies" / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert "delivered: started, stopped, available" in result.stdout
    shown = (tmp_path / "copies" / "index.html").read_text()
    players = set(re.findall(r'<audio [^>]*src="([^"]+)"', shown))
    audio_files = [path for path in (tmp_path / "copies").iterdir() if path.suffix in AUDIO]
    # A file without a second of sound has no player; the emulated ones consist of a header.
    assert players == {path.name for path in audio_files if path.stat().st_size > 100}
    assert shown.count('<rect class="pause" x=') == 5
    assert 'href="report.html"' in shown
    archived = list((tmp_path / "copies" / "archive").rglob("record-*.json"))
    assert f"{len(archived)} recordings, " in result.stdout.replace("\N{NO-BREAK SPACE}", " ")
    assert "  Killed" in result.stdout
    assert re.search(r"Verified +\d+ files read again: 0 missing, 0 changed", result.stdout)
    assert '<h2 id="archive">' in shown


@pytest.mark.long
def test_the_demo_without_webhooks_ends_in_the_same_tables(tmp_path: Path) -> None:
    result = run("demo", "--output", str(tmp_path / "copies"))
    dropped = run("demo", "--drop-webhooks", "--output", str(tmp_path / "others"))
    assert dropped.returncode == 0, dropped.stdout + dropped.stderr
    assert "delivered: none; reconciled: available" in dropped.stdout
    assert "delivered: started" not in dropped.stdout
    assert find_tables(dropped.stdout) == find_tables(result.stdout)


def find_tables(output: str) -> list[str]:
    """Return the last lines of a demo's output without those that contain times or paths."""
    end = output.partition("\n8. ")[2].partition("\n10. ")[0]  # a kill leaves other numbers
    variable = ("Recordings until", "The report as a page", "The copies", " requirements checked")
    return [line for line in end.splitlines() if not any(each in line for each in variable)]


def test_the_demo_counts_an_error_as_a_violation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def start() -> None:
        raise rec.NotFound("no such call", provider="vendor", operation="start")

    requirements = Requirements()
    requirements.check(True, "met")
    with requirements.catch_errors("Vendor call"):
        start()
    assert requirements.passed == 1
    assert requirements.violations == ["Vendor call: vendor start: no such call"]
    assert "REQUIREMENT NOT MET" in capsys.readouterr().out
