"""Which commands are there, and how does each end?

| exit | when |
|---|---|
| 0 | all is well |
| 1 | an error; one line on standard error says which |
| 2 | a wrong call; nothing was sent |
| 3 | it worked, and something needs attention |
| 130 | Ctrl-C |
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import Any

import click

import recording_core as rec
from recording_core.cli.commands.compare import compare
from recording_core.cli.commands.demo import demo
from recording_core.cli.commands.doctor import doctor
from recording_core.cli.commands.emulate import emulate
from recording_core.cli.commands.list import list_recordings
from recording_core.cli.commands.missing import missing
from recording_core.cli.commands.providers import matrix, providers
from recording_core.cli.commands.report import report
from recording_core.cli.commands.verbs import (
    active,
    delete,
    download,
    pause,
    resume,
    show,
    start,
    stop,
)
from recording_core.cli.commands.webhooks import webhooks
from recording_core.cli.output.values import one_line
from recording_core.plugins import registry as plugins
from recording_core.redaction import redact_text

__all__ = ["command_line", "run"]

#: In the order of a recording's life.
COMMANDS: tuple[click.Command, ...] = (
    *(start, pause, resume, stop, active),
    *(list_recordings, show, download, delete),
    *(report, missing, compare, webhooks),
    *(providers, matrix, doctor, emulate, demo),
)

HELP = """Call, conference and meeting recordings of many vendors, as if there were one.

Credentials come from the environment; `recordings doctor` says which are missing. Data goes to
standard output: tables on a terminal, lines of tab-separated fields elsewhere, one JSON object a
line with --json. All else goes to standard error.

Exit codes: 0 all is well, 1 an error, 2 a wrong call, 3 it worked and something needs attention.
"""


class Failed(click.ClickException):
    """An error as one line, however many lines a vendor made of it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(one_line(str(error)) or type(error).__name__)


class Recordings(click.Group):
    """The group that every command, also a plugin's, belongs to."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except rec.RecordingError as error:
            raise Failed(error) from error
        except BrokenPipeError:
            # `recordings list | head`: the reader has enough, and that is no error.
            _let_go_of_stdout()
            raise click.exceptions.Exit(0) from None


def command_line(*, with_plugins: bool = True) -> click.Group:
    """The whole command line; without plugins it is the same on every machine, for the docs."""
    group = Recordings(
        "recordings",
        help=HELP,
        context_settings={
            "help_option_names": ["-h", "--help"],
            "color": False if os.environ.get("NO_COLOR") else None,
        },
    )
    click.version_option(rec.__version__, message="%(version)s")(group)
    for command in COMMANDS:
        group.add_command(command)
    if with_plugins:
        _add_plugins_commands(group)
    return group


def _add_plugins_commands(group: click.Group) -> None:
    own = dict(group.commands)
    plugins.notify_plugins("recording_commands", group=group)
    for name, command in own.items():
        if group.commands.get(name) is not command:
            warnings.warn(
                f"a plugin would replace the command {name!r}; it stays ours", stacklevel=2
            )
            group.commands[name] = command


def run() -> int:
    """Run what the process was called with, and give its exit code."""
    _speak_in_lines()
    try:
        # A number where a command ended early, and None where it ran through.
        code = command_line().main(prog_name="recordings", standalone_mode=False) or 0
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BrokenPipeError:
        _let_go_of_stdout()
        code = 0
    except OSError as error:  # a vendor's and a download's are typed: this is standard output's
        _let_go_of_stdout()
        click.echo(f"Error: the output cannot be written: {error.strerror or error}", err=True)
        code = 1
    except (click.Abort, KeyboardInterrupt):
        # Requests that are under way hold threads which the interpreter would wait for.
        sys.stderr.flush()
        os._exit(130)
    except Exception as error:  # ours or a plugin's bug: still one line
        if os.environ.get("RECORDINGS_TRACEBACK"):
            raise
        what = redact_text(one_line(f"{type(error).__name__}: {error}"))
        click.echo(f"Error: a bug: {what} (RECORDINGS_TRACEBACK=1 shows where)", err=True)
        code = 1
    return int(code)


def _speak_in_lines() -> None:
    """Warnings and the library's log as one line each; no character that breaks a terminal."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def warn(text: str) -> None:
        click.echo(f"Warning: {redact_text(one_line(text))}", err=True)

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            why = f": {type(error).__name__}: {error}" if error else ""
            warn(record.getMessage() + why)

    def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
        warn(str(message))

    logging.getLogger("recording_core").addHandler(Lines(logging.WARNING))
    warnings.showwarning = show_warning


def _let_go_of_stdout() -> None:
    """The interpreter flushes once more on leaving, and would complain."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        pass  # standard output is no file here, as in tests
