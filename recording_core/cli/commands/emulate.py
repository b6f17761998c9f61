"""Command `emulate`: runs emulators of vendors on loopback until it is interrupted."""

from __future__ import annotations

import json
import shlex
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import click

import recording_core as rec
from recording_core.cli.arguments import PROVIDER, raise_usage_errors
from recording_core.cli.options import build_port_option
from recording_core.cli.output.messages import write_message
from recording_core.cli.signals import watch_for_interrupt
from recording_core.clock import SystemClock
from recording_core.plugins import registry as plugins

if TYPE_CHECKING:
    from recording_core.testing import Emulator


@click.command()
@click.argument("providers", nargs=-1, required=True, type=PROVIDER, metavar="PROVIDER...")
@build_port_option("Port of the first emulator; the others use the ports after it.")
@click.option(
    "--recordings",
    type=click.IntRange(min=0),
    default=45,
    help="Number of past recordings that each vendor lists.",
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
    help="Send signed webhooks of every vendor to this loopback URL.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per vendor, each on one line."
)
def emulate(
    providers: tuple[str, ...], port: int, webhook_url: str | None, as_json: bool, **settings: Any
) -> None:
    """Emulate vendors on this machine, over HTTP, until interrupted.

    Each emulator has past recordings and a live session of each kind. The command prints how to
    connect to it. The credentials are valid for the emulator only.
    """
    if len(providers) > 1 and settings["assume"] not in ((), "all"):
        raise click.UsageError("--assume with numbers needs exactly one PROVIDER.")
    infos = [plugins.get_provider_info(name) for name in providers]
    with raise_usage_errors():
        emulators = [
            build_emulator(info, port=port + index if port else 0, **settings)
            for index, info in enumerate(infos)
        ]
    wait_for_interrupt = watch_for_interrupt()
    with ExitStack() as running:
        for index, (info, emulator) in enumerate(zip(infos, emulators, strict=True)):
            try:
                running.enter_context(emulator)
            except OSError as error:
                raise rec.ConfigurationError(
                    f"Cannot serve {info.name} on port {port + index}: {error.strerror}"
                ) from None
            if webhook_url is not None:
                emulator.deliver_to(webhook_url)
            click.echo(_format_json(emulator) if as_json else _format_text(emulator, info))
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


def build_emulator(info: rec.ProviderInfo, **settings: Any) -> Emulator:
    """Create a vendor's emulator, with the given settings, that runs on the wall clock."""
    kind: type[Emulator] = plugins.load_object(info, "emulator")
    return kind(clock=SystemClock(), **settings, **kind.wall_clock_settings)


def _format_json(emulator: Emulator) -> str:
    return json.dumps(
        {
            "provider": emulator.provider,
            "base_url": emulator.base_url,
            "credentials": emulator.credentials,
            "sessions": [{"kind": each.kind, "id": each.id} for each in emulator.sessions],
            "webhooks": dict(emulator.webhooks),
        }
    )


def _format_text(emulator: Emulator, info: rec.ProviderInfo) -> str:
    settings = {"base_url": emulator.base_url, **emulator.credentials}
    keywords = "".join(f",\n        {name}={json.dumps(value)}" for name, value in settings.items())
    secrets = "".join(f", {name}={json.dumps(value)}" for name, value in emulator.webhooks.items())
    variables = {each.name: each.env for each in info.settings}
    variables["base_url"] = f"{info.name.upper()}_BASE_URL"
    exports = (f"    export {variables[key]}={shlex.quote(settings[key])}" for key in settings)
    starts = (
        f"    recordings start {info.name} {each.kind} {shlex.quote(each.id)}"
        for each in emulator.sessions
    )
    past = len(emulator.list_ids())
    heading = f"{info.label} runs at {emulator.base_url} with {past} past recordings"
    lines = [
        click.style(heading, bold=True),
        f"\n    rec.connect(\n        {json.dumps(info.name)}{keywords},\n    )",
        f"    rec.receiver({json.dumps(info.name)}{secrets})\n",
        *exports,
        "",
        *starts,
        "",
    ]
    return "\n".join(lines)
