"""What do vendors call back? Received on this machine, looked into, or caught up with."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

import recording_core as rec
from recording_core.cli.arguments import MOMENT, PROVIDER, TARGET, Where, where_options, wrong_call
from recording_core.cli.commands.list import coverage_words
from recording_core.cli.output.output import Column, Output, needs_attention, output_options, say
from recording_core.cli.output.values import counted
from recording_core.cli.serving import listening

__all__ = ["webhooks"]

EVENT: tuple[Column[rec.RecordingEvent], ...] = (
    Column("AT", lambda each: each.occurred_at, width=16),
    Column("PROVIDER", lambda each: each.provider, width=11),
    Column("EVENT", lambda each: each.kind, width=9),
    Column("STATUS", lambda each: each.status, width=10, yields=3),
    Column("RECORDING", lambda each: each.recording_id, width=36),
    Column("OF", lambda each: each.target, width=24, yields=2),
    Column("TRUSTED", lambda each: each.trusted, width=7, yields=4),
)


@click.group()
def webhooks() -> None:
    """Receive vendors' callbacks, look into one, catch up with those that never came.

    Secrets come from the environment, the variable PROVIDER_WEBHOOK_SECRET in capitals; a vendor's
    public key, if it shall not be fetched, from PROVIDER_WEBHOOK_KEY, in PEM.
    """


def secret_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--account", default="default", metavar="NAME", help="Whose they are."),
        click.option(
            "--allow-v2",
            is_flag=True,
            help="Accept a vendor's older signature, which does not cover the body.",
        ),
        click.option(
            "--key-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            multiple=True,
            help="The vendor's public key, in PEM; may be repeated.",
        ),
        click.option(
            "--secret-env",
            multiple=True,
            metavar="NAME",
            help="The variable that holds the secret; may be repeated, for rotation."
            "  [default: PROVIDER_WEBHOOK_SECRET]",
        ),
    ):
        command = option(command)
    return command


seen_option = click.option(
    "--seen",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Remember what was announced in this file, also for other runs.",
)


# -- serve ----------------------------------------------------------------------------------------


@webhooks.command()
@click.argument("providers", nargs=-1, type=PROVIDER, metavar="[PROVIDER]...")
@click.option("--provider", "more", multiple=True, type=PROVIDER, help="The same, by name.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Of this machine.  [default: any that is free]",
)
@click.option(
    "--url",
    metavar="URL",
    help="The public URL as the vendor knows it, which some sign; of several vendors, what "
    "precedes /PROVIDER.  [default: that of this machine]",
)
@secret_options
@seen_option
@output_options
def serve(
    providers: tuple[str, ...],
    more: tuple[str, ...],
    host: str,
    port: int,
    url: str | None,
    secret_env: tuple[str, ...],
    key_file: tuple[Path, ...],
    allow_v2: bool,
    account: str,
    seen: Path | None,
    out: Output,
) -> None:
    """Print events as they come, until interrupted.

    One vendor's callbacks are taken at any path, several vendors' at /PROVIDER each. A replay is
    answered and not printed.
    """
    names = tuple(dict.fromkeys((*providers, *more)))
    if not names:
        raise click.UsageError("name a PROVIDER")
    if len(names) > 1 and (secret_env or key_file):
        raise click.UsageError("--secret-env and --key-file are one vendor's: name one PROVIDER")
    over = _interruption()
    store = rec.SqliteReplayStore(seen) if seen is not None else None
    shared = _Shown(out)
    receivers: dict[str, rec.Receiver] = {}
    for name in names:
        receiver = rec.Receiver(
            name,
            account=account,
            replay_store=store,
            allow_v2=allow_v2,
            **_secrets(name, secret_env, key_file),
        )
        receiver.listen(shared)
        receivers[f"/{name}"] = receiver
    only = receivers[f"/{names[0]}"] if len(names) == 1 else None
    with listening(only or receivers, host, port, url) as address:
        for path, receiver in receivers.items():
            where = address if only else address + path
            say(f"{receiver.provider}'s callbacks are taken at {where}")
        say("Ctrl-C ends it.")
        # Woken now and then: on some systems a signal does not interrupt a wait without an end.
        while not over.wait(0.5):
            pass


class _Shown:
    """Prints each event, one at a time, and at once."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._lock = threading.Lock()

    def __call__(self, event: rec.RecordingEvent) -> None:
        with self._lock:
            self._out.rows(iter((event,)), EVENT)
            sys.stdout.flush()


def _interruption() -> threading.Event:
    import signal

    over = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: over.set())
    return over


# -- verify ---------------------------------------------------------------------------------------


@webhooks.command()
@click.argument("provider", type=PROVIDER)
@click.argument("request", type=click.File("rb"), metavar="FILE")
@click.option(
    "--url",
    metavar="URL",
    help="The public URL as the vendor knows it.  [default: of the request line, or its Host]",
)
@click.option(
    "--at",
    type=MOMENT,
    help="When it came, for a vendor that signs a time: 2h (ago), or ISO 8601.  [default: now]",
)
@secret_options
@output_options
def verify(
    provider: str,
    request: Any,
    url: str | None,
    at: datetime | None,
    secret_env: tuple[str, ...],
    key_file: tuple[Path, ...],
    allow_v2: bool,
    account: str,
    out: Output,
) -> None:
    """Tell why a saved request passes or fails. FILE is raw HTTP, or - for standard input.

    A request line, headers, an empty line, and the body with its bytes as they came. Nothing is
    announced. Exit code 1: it fails.
    """
    callback, words = saved_request(request.read(), url)
    for each in words:
        say(each)
    receiver = rec.Receiver(
        provider,
        account=account,
        allow_v2=allow_v2,
        clock=_At(at) if at is not None else None,
        **_secrets(provider, secret_env, key_file),
    )
    try:
        events = receiver.verify(callback)
    except rec.WebhookRejected as error:
        if out.json:
            out.object({"passes": False, "status": error.status, "reason": error.message})
            raise click.exceptions.Exit(1) from None
        claims = "; it would read as nothing"
        try:
            claimed = rec.unsafe_parse(provider, callback, account=account)
            if claimed:
                claims = "; it claims " + ", ".join(f"{e.kind} {e.recording_id}" for e in claimed)
        except rec.WebhookRejected:
            pass
        raise rec.RecordingError(f"fails ({error.status}): {error.message}{claims}") from None
    if out.json:
        out.object({"passes": True, "events": len(events)})
    else:
        say(f"passes, with {counted(len(events), 'event')}")
    out.rows(events, EVENT)


def saved_request(data: bytes, url: str | None) -> tuple[rec.WebhookRequest, list[str]]:
    """A request as it is saved, and what had to be assumed. `UsageError` for what is none."""
    head, gap, body = _halves(data)
    lines = head.decode("latin-1").replace("\r\n", "\n").split("\n")
    start = lines[0].split(" ")
    if not gap or len(start) != 3 or not start[2].startswith("HTTP/"):
        raise click.UsageError(
            "FILE is no raw HTTP request: it begins with a line such as `POST /hook HTTP/1.1`, and "
            "an empty line ends its headers"
        )
    headers = [
        (name.strip(), value.strip())
        for name, colon, value in (line.partition(":") for line in lines[1:])
        if colon
    ]
    method, target, _ = start
    words: list[str] = []
    draft = rec.WebhookRequest(method, target, headers, body)
    length = draft.header("content-length") or ""
    if length.isdigit() and int(length[:12]) < len(body):
        words.append(f"{len(body) - int(length)} bytes after the body's length are left out")
        body = body[: int(length)]
    elif length.isdigit() and int(length[:12]) > len(body):
        words.append(f"the body has {len(body)} bytes, and its header promises {length}")
    if url is None and target.startswith("/"):
        target = f"https://{draft.header('host') or 'localhost'}{target}"
        words.append(f"its URL is taken to be {target.partition('?')[0]}; --url tells another")
    elif url is not None and "?" in target:
        # What is configured is the same for every request; its query is each one's own.
        url = f"{url.partition('?')[0]}?{target.partition('?')[2]}"
    return rec.WebhookRequest(method, url or target, headers, body), words


def _halves(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Head, gap and body, whichever line ends an editor left in the head."""
    gaps = [(data.find(each), each) for each in (b"\r\n\r\n", b"\n\n") if each in data]
    if not gaps:
        return data, b"", b""
    at, gap = min(gaps)
    return data[:at], gap, data[at + len(gap) :]


class _At:
    """A clock that stands at when a request came."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    def monotonic(self) -> float:
        return self._at.timestamp()

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError


# -- reconcile ------------------------------------------------------------------------------------


@webhooks.command()
@click.argument("provider", type=PROVIDER)
@click.option(
    "--since",
    type=MOMENT,
    required=True,
    help="Of recordings created then or later: 1d (ago), or ISO 8601.",
)
@click.option(
    "--target",
    type=TARGET,
    help="Only of this call, conference or meeting, such as one that is listed only by its name.",
)
@seen_option
@output_options
@where_options
def reconcile(
    provider: str,
    since: datetime,
    target: rec.CommunicationSession | None,
    seen: Path | None,
    where: Where,
    out: Output,
) -> None:
    """Announce what the vendor lists and no callback told, as the same events.

    With --seen, what is in the file is left out, and what is announced enters it. Exit code 3: a
    listener failed, or the listing is not complete.
    """
    from recording_core.webhooks.dispatch import Dispatcher
    from recording_core.webhooks.reconcile import reconciled

    announcer = Dispatcher(
        rec.SqliteReplayStore(seen) if seen is not None else rec.MemoryReplayStore()
    )
    announcer.listen(_Shown(out))
    with where.connect(provider) as connection, wrong_call():
        done = reconciled(connection, announcer, since=since, target=target)
    words = f"{counted(len(done), 'event')} announced"
    if done.failed:
        words += f", {counted(len(done.failed), 'event')} refused by a listener"
    say(f"{provider}: {words}; {coverage_words(done.coverage)}")
    if done.failed or not done.coverage.complete:
        raise needs_attention()


# -- secrets --------------------------------------------------------------------------------------


def _secrets(
    provider: str, secret_env: tuple[str, ...], key_file: tuple[Path, ...]
) -> Mapping[str, Any]:
    """The keywords `secret` or `key` of a receiver, out of the environment or a file."""
    prefix = provider.upper()
    keys = [path.read_text(encoding="utf-8", errors="replace") for path in key_file]
    if not keys and os.environ.get(f"{prefix}_WEBHOOK_KEY"):
        keys = [os.environ[f"{prefix}_WEBHOOK_KEY"]]
    names = secret_env or (f"{prefix}_WEBHOOK_SECRET",)
    missing = [name for name in names if not os.environ.get(name)]
    if missing and secret_env:
        raise rec.ConfigurationError(f"the variable {', '.join(missing)} is not set")
    secrets = [os.environ[name] for name in names if name not in missing]
    if not secrets and not keys and _shares_a_secret(provider):
        raise rec.ConfigurationError(
            f"{provider}'s callbacks cannot be verified: set {prefix}_WEBHOOK_SECRET, or name "
            "another variable by --secret-env"
        )
    return {"secret": secrets or None, "key": keys or None}


def _shares_a_secret(provider: str) -> bool:
    from recording_core.webhooks.verification import scheme_of

    return scheme_of(provider).key_url is None
