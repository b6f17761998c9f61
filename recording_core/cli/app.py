"""Application: the group of all commands, and the exit code of each.

| exit code | when |
|---|---|
| 0 | success |
| 1 | an error, described in one line on standard error |
| 2 | wrong usage; no request was sent |
| 3 | success, but something needs attention |
| 130 | interrupted with Ctrl-C (SIGINT) |
| 143 | ended by SIGTERM |
| 129 | ended by SIGHUP, as its terminal was closed |
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from contextlib import suppress
from typing import Any

import click

import recording_core as rec
from recording_core.cli.commands import recordings, verbs
from recording_core.cli.commands.archive import archive
from recording_core.cli.commands.compare import compare
from recording_core.cli.commands.completion import completion
from recording_core.cli.commands.conformance import conformance
from recording_core.cli.commands.demo import demo
from recording_core.cli.commands.doctor import doctor
from recording_core.cli.commands.emulate import emulate
from recording_core.cli.commands.list import list_recordings
from recording_core.cli.commands.missing import missing
from recording_core.cli.commands.new_provider import new_provider
from recording_core.cli.commands.providers import matrix, providers
from recording_core.cli.commands.report import report
from recording_core.cli.commands.webhooks import webhooks
from recording_core.cli.output.messages import describe_error, write_notes
from recording_core.cli.output.values import sanitize_line
from recording_core.cli.signals import raise_interrupts
from recording_core.plugins import registry as plugins
from recording_core.redaction import redact_text

#: In the order in which the help lists them.
COMMANDS: tuple[click.Command, ...] = (
    *(verbs.start, verbs.pause, verbs.resume, verbs.stop, verbs.active),
    *(list_recordings, recordings.show, recordings.download, recordings.delete),
    *(archive, report, missing, compare, webhooks),
    *(providers, matrix, doctor, emulate, demo, new_provider, conformance, completion),
)

HELP = """Manage call, conference and meeting recordings of many vendors in one way.

Accounts are read from recordings.toml and from environment variables, and --account chooses one.
`recordings doctor` checks each and lists the variables that are missing.

Data is written to standard output: as a table on a terminal, as lines of tab-separated fields below
a line of their names in a pipe or file, and as one JSON object per line with --json. Messages are
written to standard error.

Exit codes: 0 success; 1 error; 2 wrong usage; 3 success, but something needs attention; 130, 143 or
129 interrupted by Ctrl-C, SIGTERM or SIGHUP, and unfinished files are removed.
"""


class RecordingsGroup(click.Group):
    """The group of all commands, including those of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except rec.RecordingError as error:
            # One line, even if the vendor's message has several.
            raise click.ClickException(sanitize_line(describe_error(error))) from error
        except BrokenPipeError:
            # The reader closed the pipe, as in `recordings list | head`: not an error.
            _discard_stdout()
            raise click.exceptions.Exit(0) from None


def build_command_line(*, with_plugins: bool = True) -> click.Group:
    """Build the command line; without plugins it is equal on every machine, as docs need it."""
    group = RecordingsGroup(
        "recordings",
        help=HELP,
        context_settings={
            "help_option_names": ["-h", "--help"],
            "color": False if os.environ.get("NO_COLOR") else None,
            "show_default": True,
        },
    )
    click.version_option(rec.__version__, message="%(version)s")(group)
    for command in COMMANDS:
        group.add_command(command)
    if with_plugins:
        _add_plugin_commands(group)
    return group


def _add_plugin_commands(group: click.Group) -> None:
    """Let plugins add commands; built-in commands cannot be replaced."""
    builtin = dict(group.commands)
    plugins.notify_plugins("recording_commands", group=group)
    for name, command in builtin.items():
        if group.commands.get(name) is not command:
            warnings.warn(
                f"a plugin tried to replace the built-in command {name!r} and was ignored",
                stacklevel=2,
            )
            group.commands[name] = command


def run() -> int:
    """Run the command with the process's arguments and return its exit code."""
    _open_closed_streams()
    _configure_messages()
    get_code_of_interrupt = raise_interrupts()
    try:
        return _run_command()
    finally:
        code = get_code_of_interrupt()
        if code is not None:
            # The interpreter would wait for the threads of requests that are in progress.
            os._exit(code)


def _run_command() -> int:
    try:
        # A number if the command ended early, otherwise None.
        code = build_command_line().main(prog_name="recordings", standalone_mode=False) or 0
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BrokenPipeError:
        _discard_stdout()
        code = 0
    except OSError as error:
        # Errors of vendors and downloads are RecordingErrors, so this is standard output.
        _discard_stdout()
        click.echo(f"Error: Cannot write the output: {error.strerror or error}", err=True)
        code = 1
    except (click.Abort, KeyboardInterrupt) as interruption:
        with suppress(OSError):  # the terminal may be closed
            write_notes(interruption)
        code = 130
    except Exception as error:  # a bug in the library or a plugin: also one line
        if os.environ.get("RECORDINGS_TRACEBACK"):
            raise
        details = redact_text(sanitize_line(f"{type(error).__name__}: {error}"))
        click.echo(
            f"Error: Unexpected error, probably a bug: {details} "
            "(set RECORDINGS_TRACEBACK=1 to see the traceback)",
            err=True,
        )
        code = 1
    return int(code)


def _open_closed_streams() -> None:
    """Open the null device for standard streams that are closed, as by `>&-` or a service manager.

    Otherwise the next socket or file would get their descriptors, and library code their output.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _configure_messages() -> None:
    """Write warnings and the library's log as one line each, without unprintable characters."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def write_warning(message: Warning | str, *_: Any, **__: Any) -> None:
        click.echo(f"Warning: {redact_text(sanitize_line(str(message)))}", err=True)

    class OneLineHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            cause = f": {type(error).__name__}: {error}" if error else ""
            write_warning(record.getMessage() + cause)

    logging.getLogger("recording_core").addHandler(OneLineHandler(logging.WARNING))
    warnings.showwarning = write_warning


def _discard_stdout() -> None:
    """Redirect standard output to the null device: the interpreter flushes it again at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        pass  # standard output has no file descriptor, as in tests
