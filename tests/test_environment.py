"""Environments: other systems, standard streams that are closed, and the checks of `doctor`."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import recording_core as rec
from recording_core.cli.app import build_command_line
from recording_core.clock import SystemClock
from recording_core.configuration.account_file import read_tables
from recording_core.reporting import window
from recording_core.reporting.compute.prices import read_price_table
from recording_plivo.emulator import PlivoEmulator

# -- other systems ---------------------------------------------------------------------------------

#: Runs as on Windows, as far as that can be imitated: the modules and names that only Unix has are
#: removed, after the standard library and others, which have checks of their own, were imported.
WINDOWS = """
import os, signal, sys
import asyncio, concurrent.futures.thread, fsspec.implementations.local, http.server, logging
import multiprocessing, pathlib, random, requests, socketserver, sqlite3, subprocess, tempfile
import tomllib, uuid, wsgiref.simple_server, zoneinfo, click, rich.table, pytest
for name in ("fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
for name in (
    "chown fchmod fchown fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpgrp "
    "getsid getuid initgroups killpg lchown lockf mkfifo mknod nice openpty pathconf pread pwrite "
    "register_at_fork sched_getaffinity sched_yield sendfile setegid seteuid setgid setpgid setsid "
    "setuid statvfs sync sysconf tcgetpgrp ttyname uname wait3 wait4 waitid O_CLOEXEC "
    "O_DIRECTORY O_NOCTTY O_NOFOLLOW O_NONBLOCK O_SYNC"
).split():
    if hasattr(os, name):
        delattr(os, name)
for name in "SIGALRM SIGCHLD SIGHUP SIGPIPE SIGQUIT SIGUSR1 SIGUSR2 pthread_kill".split():
    delattr(signal, name)

import recording_core as rec
from recording_core.cli import main
from recording_core.configuration.credential import Credential
from recording_core.configuration.account_file import read_tables
from recording_core.storage.folder import write_file
from recording_plivo.emulator import PlivoEmulator

folder = pathlib.Path(sys.argv[1])
with PlivoEmulator(recordings=3) as emulator, emulator.connect() as plivo:
    [recording, *_] = [each for each in plivo.list() if each.files]
    [copy] = plivo.download(recording, folder)
    assert copy.verified
    plivo.download(recording, folder)
write_file(folder / "report.csv", b"a")
write_file(folder / "report.csv", b"b")
store = rec.SqliteReplayStore(folder / "replay.db")
claim = store._claim("key")
assert claim is not None and store._claim("key") is None
claim()
store.close()
assert Credential(command=(sys.executable, "-c", "print('secret')")).read() == "secret"
(folder / "recordings.toml").write_text(
    '[[account]]\\nprovider = "plivo"\\nbase_url = "https://plivo.example"\\n'
)
[table] = read_tables(folder / "recordings.toml", "")
sys.argv = ["recordings", "matrix"]
sys.exit(main())
"""


def run(*arguments: str, shell: str | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, *arguments)
    if shell is not None:  # `$0` is the command
        command = ("/bin/sh", "-c", f'"$0" "$@" {shell}', *command)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **more)


def test_system_without_the_names_of_unix_is_supported(tmp_path: Path) -> None:
    done = run("-c", WINDOWS, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "plivo" in done.stdout.lower()
    assert (tmp_path / "report.csv").read_bytes() == b"b"
    assert not list(tmp_path.glob("*.part"))


def test_module_runs_the_command() -> None:
    done = run("-m", "recording_core", "--version")
    assert (done.stdout, done.stderr) == (f"{rec.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "closed", "code"),
    [(("matrix",), ">&- 2>&- <&-", 0), (("stop", "-"), "<&-", 1)],
)
def test_closed_standard_stream_is_no_bug_report(
    arguments: tuple[str, ...], closed: str, code: int
) -> None:
    """Service managers close them, and so do users with `>&-`."""
    done = run("-m", "recording_core", *arguments, shell=closed)
    assert done.returncode == code
    assert "bug" not in done.stderr
    assert "Traceback" not in done.stderr


def test_files_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    """Editors of Windows write one."""
    path = tmp_path / "recordings.toml"
    path.write_text('[[account]]\nprovider = "plivo"\n', encoding="utf-8-sig")
    assert [each.provider for each in read_tables(path, "")] == ["plivo"]
    prices = tmp_path / "prices.toml"
    prices.write_text("[acme]\nper_minute_month = 1.0\n", encoding="utf-8-sig")
    assert "acme" in read_price_table(prices).of


@pytest.fixture
def no_zone_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows without the package tzdata."""

    def raise_not_found(name: str) -> None:
        raise LookupError(name)

    monkeypatch.setattr(window, "ZoneInfo", raise_not_found)
    monkeypatch.setattr(window, "available_timezones", set)


@pytest.mark.usefixtures("no_zone_data")
def test_utc_needs_no_time_zone_data() -> None:
    assert window.build_window(None, None, "UTC").zone is UTC
    with pytest.raises(rec.ConfigurationError, match="pip install tzdata"):
        window.build_window(None, None, "Europe/Berlin")


def test_interrupted_command_stops_the_recording_that_it_started() -> None:
    with PlivoEmulator(clock=SystemClock()) as emulator:
        environment = {
            **os.environ,
            "PLIVO_BASE_URL": emulator.base_url,
            "PLIVO_AUTH_ID": emulator.credentials["auth_id"],
            "PLIVO_AUTH_TOKEN": emulator.credentials["auth_token"],
        }
        command = [sys.executable, "-m", "recording_core", "doctor", "plivo", "--with-session"]

        def list_methods() -> list[str]:
            return [each.method for each in emulator.list_requests() if each.method != "GET"]

        with subprocess.Popen(
            [*command, f"call:{emulator.sessions[0].id}", "--yes"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        ) as process:
            end = time.monotonic() + 30
            while not list_methods() and time.monotonic() < end:
                time.sleep(0.02)
            time.sleep(0.7)  # until the response has arrived; the pause takes six seconds
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        assert list_methods() == ["POST", "DELETE"], errors
        assert process.returncode == 143


def test_block_that_records_is_left_when_the_program_ends() -> None:
    """As in the handler of SIGTERM that docs/record.md shows."""
    with PlivoEmulator() as emulator, emulator.connect() as plivo:
        with pytest.raises(SystemExit), plivo.record(emulator.sessions[0]):
            sys.exit(143)
        assert [each.method for each in emulator.list_requests()] == ["POST", "DELETE"]


# -- versions --------------------------------------------------------------------------------------


def test_each_distribution_for_users_has_one_lowest_version() -> None:
    floors = runpy.run_path(str(Path(__file__).parent / "version_floors.py"))["find_floors"]()
    assert {"attrs", "cattrs", "click", "cryptography", "duckdb", "requests"} <= floors.keys()


# -- doctor ----------------------------------------------------------------------------------------

PASSWORD = "pr0xy-passw0rd"


def check_machine() -> tuple[int, dict[str, tuple[str, str]]]:
    """Run `doctor` for a vendor without an account; return its exit code and the checks."""
    result = CliRunner().invoke(build_command_line(), ["doctor", "plivo", "--json"])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    found = {
        each["check"]: (each["verdict"], each["detail"])
        for each in rows
        if each["provider"] is None
    }
    assert PASSWORD not in result.output
    return result.exit_code, found


def test_doctor_checks_the_machine() -> None:
    _, found = check_machine()
    assert found["proxy"] == ("ok", "none")
    assert found["certificates"][0] == "ok"
    assert found["certificates"][1].startswith("certifi names /")
    assert found["time zones"] == ("ok", "this machine has their data")


@pytest.mark.parametrize(
    ("variable", "value", "verdict", "detail"),
    [
        (
            "https_proxy",
            f"http://me:{PASSWORD}@proxy.example:3128",
            "ok",
            "http://proxy.example:3128",
        ),
        ("ALL_PROXY", f"me:{PASSWORD}@proxy.example:3128", "ok", "http://proxy.example:3128"),
        ("HTTPS_PROXY", f"ftp://me:{PASSWORD}@proxy.example", "attention", "is not the URL of"),
        ("HTTPS_PROXY", f"http://me:{PASSWORD}@proxy.example:99999", "attention", "is not the URL"),
    ],
)
def test_doctor_checks_the_proxy(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, verdict: str, detail: str
) -> None:
    monkeypatch.setenv(variable, value)
    code, found = check_machine()
    assert found["proxy"][0] == verdict
    assert found["proxy"][1].startswith(variable)
    assert detail in found["proxy"][1]
    assert code == 3


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_doctor_checks_the_certificate_authorities(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    bundle = tmp_path / "bundle.pem"
    for content in (None, "no certificate"):
        if content is not None:
            bundle.write_text(content)
        monkeypatch.setenv(variable, str(bundle))
        verdict, detail = check_machine()[1]["certificates"]
        assert verdict == "attention"
        assert detail.startswith(f"{variable} names {bundle}, which is not a readable file")
    monkeypatch.setenv(variable, str(tmp_path))
    assert check_machine()[1]["certificates"] == ("ok", f"{variable} names {tmp_path}")


@pytest.mark.usefixtures("no_zone_data")
def test_doctor_checks_the_time_zone_data() -> None:
    verdict, detail = check_machine()[1]["time zones"]
    assert verdict == "attention"
    assert "pip install tzdata" in detail
