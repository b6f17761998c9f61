"""Credential: the source of a setting's value, which is a text, a variable or a command."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, cast

from attrs import field, frozen

from recording_core.errors import ConfigurationError
from recording_core.model.capabilities import Setting

if TYPE_CHECKING:
    import subprocess

#: Seconds that a command may take to print a credential; it may prompt the user in a window.
COMMAND_TIMEOUT = 60.0
#: The most bytes that a command may print; credentials have some hundred.
MAX_OUTPUT = 64 * 1024
#: Seconds between two looks at whether a command has ended that prints nothing.
_LOOK_INTERVAL = 0.05
#: Seconds until a process has ended that was killed.
_END_TIMEOUT = 1.0

CREDENTIAL_FORMS = '{ env = "VARIABLE" } or { command = ["keyring", "get", "..."] }'


@frozen
class Credential:
    """The source of a setting's value. Exactly one of `text`, `variable` and `command` is set."""

    text: str | None = field(default=None, repr=False)
    variable: str | None = None
    command: tuple[str, ...] = field(default=(), repr=False)
    #: seconds that the command may take
    timeout: float = COMMAND_TIMEOUT

    def read(self) -> str:
        """Read the value. Raises `ConfigurationError`, which never quotes it."""
        if self.command:
            return _run_command(self.command, self.timeout)
        if self.variable is None:
            return self.text or ""
        value = os.environ.get(self.variable)
        if not value:
            raise ConfigurationError(f"the environment variable {self.variable} is not set")
        return value


def parse_credential(setting: Setting, value: Any, *, allow_clear: bool) -> Credential:
    """Parse the source of a setting's value. Raises `ConfigurationError`, which never quotes it."""
    if isinstance(value, str):
        if setting.secret and not allow_clear:
            raise ConfigurationError(
                f"{setting.name} is in clear text: write it as {CREDENTIAL_FORMS}, or set "
                "allow_clear = true in the table of that account"
            )
        return Credential(text=value)
    if isinstance(value, Mapping):
        match dict(value):
            case {"env": str(variable), **rest} if not rest:
                return Credential(variable=variable)
            case {"command": command, **rest} if set(rest) <= {"timeout"}:
                seconds = rest.get("timeout", COMMAND_TIMEOUT)
                words = tuple(_split_command(command))
                if words and type(seconds) in (int, float) and seconds > 0:
                    return Credential(command=words, timeout=seconds)
    raise ConfigurationError(f"write {setting.name} as {CREDENTIAL_FORMS}")


def _split_command(command: Any) -> list[str]:
    """Split a command, given as a list or as one text, into words. Empty if it is malformed."""
    import shlex

    if isinstance(command, str):
        with suppress(ValueError):
            return shlex.split(command)
    if isinstance(command, list) and all(isinstance(each, str) for each in command):
        return command
    return []


def _run_command(words: tuple[str, ...], seconds: float) -> str:
    """Return what a command prints, without a shell. Its standard error is passed through.

    When it has ended, or printed too much, or taken too long, its children are ended too.
    """
    import subprocess

    # Messages contain the program only, since its arguments may be confidential.
    command = f"the command {words[0]!r}"
    group: dict[str, Any] = {"process_group": 0} if hasattr(os, "killpg") else {}
    try:
        process = subprocess.Popen(  # noqa: S603  # the file exists to name commands
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **group
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it contains a null character"
        raise ConfigurationError(f"{command} cannot be run: {why}") from None
    try:
        output = _read_output(process, seconds)
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"{command} did not end within {seconds:g} seconds: run it by hand to see whether it "
            "prompts for something, which it cannot do on a terminal, or set a longer `timeout` "
            "next to `command`"
        ) from None
    finally:
        _end_process(process)
    if len(output) > MAX_OUTPUT:
        raise ConfigurationError(
            f"{command} printed more than {MAX_OUTPUT} bytes, and a credential is a short text"
        )
    if process.returncode:
        raise ConfigurationError(
            f"{command} ended with exit code {process.returncode}: run it by hand to see why"
        )
    try:
        value = output.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{command} printed bytes that are not UTF-8 text") from None
    if not value:
        raise ConfigurationError(f"{command} printed nothing: run it by hand to see why")
    return value


def _read_output(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """Read what a process prints until it ends or has printed more than `MAX_OUTPUT`.

    A child that outlives the process is not waited for. Raises `TimeoutExpired`.
    """
    import subprocess

    if sys.platform == "win32":  # has no selectors for pipes
        return process.communicate(timeout=seconds)[0]
    import selectors

    stdout = cast("IO[bytes]", process.stdout)
    end = time.monotonic() + seconds
    output = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while len(output) <= MAX_OUTPUT:
            has_ended = process.poll() is not None
            left = 0.0 if has_ended else min(end - time.monotonic(), _LOOK_INTERVAL)
            if left < 0:
                raise subprocess.TimeoutExpired(process.args, seconds)
            if selector.select(left):
                chunk = os.read(stdout.fileno(), MAX_OUTPUT)
                output += chunk
                if not chunk:
                    process.wait(max(0.0, end - time.monotonic()))
                    break
            elif has_ended:
                break
    return output


def _end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process that has not ended, and its children."""
    import subprocess

    if hasattr(os, "killpg"):
        with suppress(OSError):  # no process of the group is left
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    if process.stdout is not None:
        process.stdout.close()
    with suppress(subprocess.TimeoutExpired):  # a process of another user, as by sudo, lives on
        process.wait(_END_TIMEOUT)
