"""How does one try it without a vendor? Emulators that serve on loopback until interrupted."""

from __future__ import annotations

import json
import shlex
import signal
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import click

import recording_core as rec
from recording_core.cli.arguments import PROVIDER
from recording_core.cli.output.output import say
from recording_core.plugins import registry as plugins

if TYPE_CHECKING:
    from recording_core.testing import Emulator

__all__ = ["emulate", "emulator_of"]


@click.command()
@click.argument("providers", nargs=-1, required=True, type=PROVIDER, metavar="PROVIDER...")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Of the first; each other one's is one higher.  [default: any that is free]",
)
@click.option(
    "--recordings",
    type=click.IntRange(min=0),
    default=45,
    show_default=True,
    help="Past recordings that each vendor lists.",
)
@click.option(
    "--processing-ms",
    type=click.IntRange(min=0),
    default=500,
    show_default=True,
    help="From the end of a recording until its media is there, beside what the vendor adds.",
)
@click.option(
    "--latency-ms",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Before each answer.",
)
@click.option(
    "--webhook-url",
    metavar="URL",
    help="A loopback URL that each vendor calls back, signed, as things happen.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a vendor, on one line.")
def emulate(
    providers: tuple[str, ...],
    port: int,
    recordings: int,
    processing_ms: int,
    latency_ms: int,
    webhook_url: str | None,
    as_json: bool,
) -> None:
    """Play vendors on this machine, over HTTP, until interrupted.

    Each has past recordings and a live session of each kind, and says how to connect to it. The
    credentials are made up, and good for nothing else.
    """
    over = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: over.set())
    with ExitStack() as running:
        for index, name in enumerate(providers):
            emulator = emulator_of(
                plugins.provider_info(name),
                port=port + index if port else 0,
                recordings=recordings,
                processing=timedelta(milliseconds=processing_ms),
                latency=timedelta(milliseconds=latency_ms),
            )
            try:
                running.enter_context(emulator)
            except OSError as error:
                raise rec.ConfigurationError(
                    f"cannot serve {name} on port {port + index}: {error.strerror}"
                ) from None
            if webhook_url is not None:
                emulator.deliver_to(webhook_url)
            click.echo(_as_json(emulator) if as_json else _for_people(emulator))
        if not as_json:
            say("Ctrl-C ends it.")
        # Woken now and then: on some systems a signal does not interrupt a wait without an end.
        while not over.wait(0.5):
            pass


def emulator_of(
    info: rec.ProviderInfo,
    *,
    port: int = 0,
    recordings: int = 45,
    processing: timedelta,
    latency: timedelta = timedelta(0),
    seed: int = 0,
) -> Emulator:
    """A vendor's emulator on the wall clock, where nobody waits longer than was asked for."""
    from recording_core.clock import SystemClock

    kind: type[Emulator] = plugins.load_object(info, "emulator")
    return kind(
        recordings=recordings,
        clock=SystemClock(),
        seed=seed,
        processing=processing,
        latency=latency,
        port=port,
        **kind.wall_clock,
    )


def _as_json(emulator: Emulator) -> str:
    return json.dumps(
        {
            "provider": emulator.provider,
            "base_url": emulator.base_url,
            "credentials": emulator.credentials,
            "sessions": [{"kind": each.kind, "id": each.id} for each in emulator.sessions],
            "webhooks": dict(emulator.webhooks),
        }
    )


def _keywords(given: Mapping[str, str]) -> str:
    return "".join(f", {name}={json.dumps(value)}" for name, value in given.items())


def _for_people(emulator: Emulator) -> str:
    info = plugins.provider_info(emulator.provider)
    settings = {"base_url": emulator.base_url, **emulator.credentials}
    keywords = "".join(f",\n        {name}={json.dumps(value)}" for name, value in settings.items())
    variables = {f"{info.name.upper()}_BASE_URL": emulator.base_url} | {
        each.env: emulator.credentials[each.name]
        for each in info.settings
        if each.name in emulator.credentials
    }
    listed = len(emulator.listed())
    lines = [
        click.style(
            f"{info.label} answers at {emulator.base_url}, with {listed} past recordings", bold=True
        ),
        "",
        f"    rec.connect(\n        {json.dumps(info.name)}{keywords},\n    )",
        f"    rec.receiver({json.dumps(info.name)}{_keywords(emulator.webhooks)})",
        "",
        *(f"    export {name}={shlex.quote(value)}" for name, value in variables.items()),
        "",
        *(
            f"    recordings start {info.name} {each.kind} {shlex.quote(each.id)}"
            for each in emulator.sessions
        ),
        "",
    ]
    return "\n".join(lines)
