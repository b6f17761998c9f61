"""Command `emulate`: runs emulators of vendors on loopback until it is interrupted."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import click
from attrs import field, frozen

import recording_core as rec
from recording_core.accounts import CONFIG_VARIABLE, DEFAULT, FILE_NAME
from recording_core.cli.arguments import PROVIDER, raise_usage_errors
from recording_core.cli.options import build_port_option
from recording_core.cli.output.messages import write_message
from recording_core.cli.signals import watch_for_interrupt
from recording_core.clock import SystemClock
from recording_core.plugins import registry as plugins

if TYPE_CHECKING:
    from recording_core.testing import Emulator
    from recording_core.testing.emulator.control import Control


@click.command()
@click.argument("providers", nargs=-1, type=PROVIDER, metavar="[PROVIDER]...")
@build_port_option("Port of the first emulator; the others use the ports after it.")
@click.option(
    "--recordings",
    type=click.IntRange(min=0),
    default=45,
    help="Number of past recordings that each vendor lists.",
)
@click.option(
    "--accounts",
    "count",
    type=click.IntRange(min=1),
    default=1,
    help="Number of accounts at each vendor, with credentials and recordings of their own. They "
    "are named default, account2, account3 and so on.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    help="Another number gives other credentials and recordings.",
)
@click.option(
    "--processing-ms",
    "processing",
    type=click.IntRange(min=0),
    default=500,
    callback=lambda _, __, value: timedelta(milliseconds=value),
    help="Time from the end of a recording until its media is available, in milliseconds, in "
    "addition to the vendor's own delay.",
)
@click.option(
    "--latency-ms",
    "latency",
    type=click.IntRange(min=0),
    default=0,
    callback=lambda _, __, value: timedelta(milliseconds=value),
    help="Delay before each response, in milliseconds.",
)
@click.option(
    "--assume",
    metavar="NUMBERS",
    default="",
    callback=lambda _, __, value: _parse_assume(value),
    help="Follow these numbered assumptions of the provider's README, such as 3,5, or `all`. "
    "Without it, the emulator shows only what the vendor's pages show. Numbers need one PROVIDER.",
)
@click.option(
    "--webhook-url",
    metavar="URL",
    help="Send signed webhooks of every vendor to this loopback URL; {provider} in it becomes the "
    "provider's name.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per account, each on one line."
)
@click.option(
    "--env",
    "as_env",
    is_flag=True,
    help="Print lines for `source`: the variables of each vendor, or, with several --accounts, the "
    "variable that names a temporary recordings.toml.",
)
def emulate(
    providers: tuple[str, ...],
    port: int,
    recordings: int,
    count: int,
    seed: int,
    webhook_url: str | None,
    as_json: bool,
    as_env: bool,
    **settings: Any,
) -> None:
    """Emulate vendors on this machine, over HTTP, until interrupted.

    Without PROVIDER, emulates all installed vendors that have an emulator. Each emulator has past
    recordings and a live session of each kind. A session of a kind that no request can record is
    being recorded. The command prints how to connect to it, and the URL below which requests of a
    test advance its clock, reset it and inject faults. The credentials are valid for the emulator
    only.

    \b
    To use the emulators in another terminal:
      recordings emulate --env > vendors.env &
      source vendors.env
    """
    from recording_core.testing.offset_clock import OffsetClock

    if as_json and as_env:
        raise click.UsageError("--json and --env exclude each other.")
    installed = rec.providers().items()
    providers = providers or tuple(name for name, info in installed if info.emulator is not None)
    if len(providers) > 1 and settings["assume"] not in ((), "all"):
        raise click.UsageError("--assume with numbers needs exactly one PROVIDER.")
    accounts: list[EmulatedAccount] = []
    with raise_usage_errors():
        for info in map(plugins.get_provider_info, providers):
            for number in range(count):
                name = f"account{number + 1}" if number else DEFAULT
                own_port = port + len(accounts) if port else 0
                # What begins below is listed, too.
                past = max(0, recordings - len(_find_unstartable(info)))
                emulator = build_emulator(
                    info,
                    clock=OffsetClock(),
                    port=own_port,
                    seed=seed + number,
                    recordings=past,
                    **settings,
                )
                accounts.append(EmulatedAccount(info, name, emulator, count > 1))
    wait_for_interrupt = watch_for_interrupt()
    with ExitStack() as running:
        for index, account in enumerate(accounts):
            try:
                running.enter_context(account.emulator)
            except OSError as error:
                raise rec.ConfigurationError(
                    f"Cannot serve {account.info.name} on port {port + index}: {error.strerror}"
                ) from None
            if webhook_url is not None:
                account.emulator.deliver_to(webhook_url.replace("{provider}", account.info.name))
            account.begin_recordings()
            if not as_env:
                text = json.dumps(account.describe()) if as_json else account.format_text()
                click.echo(text)
        if as_env and count > 1:
            folder = running.enter_context(TemporaryDirectory(prefix="recordings-emulate-"))
            path = Path(folder, FILE_NAME)
            path.touch(mode=0o600)
            path.write_text("".join(each.format_table() for each in accounts), encoding="utf-8")
            click.echo(f"export {CONFIG_VARIABLE}={shlex.quote(str(path))}")
        elif as_env:
            for account in accounts:
                click.echo("\n".join((*account.list_exports(), *account.list_webhook_exports())))
        if not as_json:
            write_message("Press Ctrl-C to stop.")
        wait_for_interrupt()


def _parse_assume(text: str) -> tuple[int, ...] | Literal["all"]:
    if text == "all":
        return "all"
    try:
        return tuple(int(each) for each in text.split(",") if text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of numbers such as 3,5.") from None


def _find_unstartable(info: rec.ProviderInfo) -> list[rec.SessionKind]:
    """Find the kinds of which the vendor alone starts a recording, which the API finds running."""
    start, active = rec.Operation.START, rec.Operation.ACTIVE
    return [each for each in rec.SessionKind if info.can(active, each) > info.can(start, each)]


def build_emulator(info: rec.ProviderInfo, **settings: Any) -> Emulator:
    """Create a vendor's emulator, with the given settings, that runs on the wall clock."""
    kind: type[Emulator] = plugins.load_object(info, "emulator")
    return kind(**{"clock": SystemClock(), **settings, **kind.wall_clock_settings})


@frozen
class EmulatedAccount:
    """An account at an emulated vendor, out of several if so, and how it is printed."""

    info: rec.ProviderInfo
    name: str
    emulator: Emulator
    is_one_of_several: bool
    control: Control = field(init=False)

    @control.default
    def _build_control(self) -> Control:
        from recording_core.testing.emulator.control import Control

        return Control(
            self.emulator,
            describe=self.describe,
            begin=self.begin_recordings,
            begun=len(_find_unstartable(self.info)),
        )

    @property
    def settings(self) -> Mapping[str, str]:
        """The keywords of `connect`."""
        return {"base_url": self.emulator.base_url, **self.emulator.credentials}

    def begin_recordings(self) -> None:
        """Start recording the sessions of which the vendor alone starts a recording."""
        kinds = _find_unstartable(self.info)
        with self.emulator.lock:
            for target in [each for each in self.emulator.sessions if each.kind in kinds]:
                self.emulator.begin_recording(target)

    def describe(self) -> Mapping[str, Any]:
        """Build the JSON object of the account, with its name if there are several."""
        emulator = self.emulator
        return {
            "provider": emulator.provider,
            **({"account": self.name} if self.is_one_of_several else {}),
            "base_url": emulator.base_url,
            "credentials": emulator.credentials,
            "sessions": [{"kind": each.kind, "id": each.id} for each in emulator.sessions],
            "webhooks": dict(emulator.webhooks),
            "control": self.control.url,
        }

    def format_text(self) -> str:
        """Format the account for people: how to connect to it, in Python and in a shell."""
        provider, past = json.dumps(self.info.name), len(self.emulator.list_ids())
        name = f", account={json.dumps(self.name)}" if self.is_one_of_several else ""
        keywords = "".join(
            f",\n        {key}={json.dumps(value)}" for key, value in self.settings.items()
        )
        secrets = "".join(
            f", {key}={json.dumps(value)}" for key, value in self.emulator.webhooks.items()
        )
        kinds = _find_unstartable(self.info)
        starts = (
            f"    recordings {'pause' if each.kind in kinds else 'start'} {self.info.name} "
            f"{each.kind} {shlex.quote(each.id)}"
            for each in self.emulator.sessions
        )
        label = self.info.label + (f" ({self.name})" if self.is_one_of_several else "")
        heading = f"{label} runs at {self.emulator.base_url} with {past} past recordings"
        lines = [
            click.style(heading, bold=True),
            f"\n    rec.connect(\n        {provider}{name}{keywords},\n    )",
            f"    rec.receiver({provider}{name}{secrets})\n",
            *(f"    {each}" for each in self.list_exports()),
            "",
            *starts,
            f"\n    Tests advance its clock, reset it and inject faults below {self.control.url}\n",
        ]
        return "\n".join(lines)

    def list_exports(self) -> Iterator[str]:
        """Yield the lines of a shell that set the vendor's variables."""
        variables = {each.name: each.env for each in self.info.settings}
        variables["base_url"] = f"{self.info.name.upper()}_BASE_URL"
        for key, value in self.settings.items():
            yield f"export {variables[key]}={shlex.quote(value)}"

    def list_webhook_exports(self) -> Iterator[str]:
        """Yield the lines of a shell that set what `recordings webhooks` reads."""
        for key, value in self.emulator.webhooks.items():
            yield f"export {self.info.name.upper()}_WEBHOOK_{key.upper()}={shlex.quote(value)}"

    def format_table(self) -> str:
        """Format the account as a table of `recordings.toml`, in which it may be plain text."""
        fields = {"provider": self.info.name, "name": self.name, **self.settings}
        # JSON strings are basic strings of TOML.
        lines = [f"{key} = {json.dumps(value)}" for key, value in fields.items()]
        return "\n".join(("[[account]]", "allow_clear = true", *lines, "", ""))
