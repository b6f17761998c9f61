"""Commands `webhooks`: receive webhooks, verify a saved one, and find events without one."""

from __future__ import annotations

import os
import re
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from attrs import frozen

import recording_core as rec
from recording_core.accounts import choose_account
from recording_core.cli.arguments import PROVIDER, TARGET, TIME, raise_usage_errors
from recording_core.cli.options import (
    ConnectOptions,
    account_option,
    add_connect_options,
    build_option_group,
    build_port_option,
    build_tz_option,
    config_option,
    name_accounts,
)
from recording_core.cli.output.messages import describe_error, raise_errors, write_message
from recording_core.cli.output.output import Output, OutputColumn, add_output_options
from recording_core.cli.output.summary import describe_coverage
from recording_core.cli.serving import serve_receivers
from recording_core.cli.signals import watch_for_interrupt
from recording_core.clock import SystemClock
from recording_core.reporting.number_format import format_count

EVENT: tuple[OutputColumn[rec.RecordingEvent], ...] = (
    OutputColumn("TIME (UTC)", lambda each: each.occurred_at, width=16),
    OutputColumn("PROVIDER", lambda each: each.provider, width=11),
    OutputColumn("EVENT", lambda each: each.kind, width=9),
    OutputColumn("STATUS", lambda each: each.status, width=10, drop_priority=3),
    OutputColumn("RECORDING", lambda each: each.recording_id, width=36),
    OutputColumn("TARGET", lambda each: each.target, width=24, drop_priority=2),
    OutputColumn("TRUSTED", lambda each: each.trusted, width=7, drop_priority=4),
)


@click.group()
def webhooks() -> None:
    """Receive and verify webhooks, or find missed events.

    A secret is read from the environment variable PROVIDER_WEBHOOK_SECRET (PROVIDER is the
    provider's name in capitals). A vendor's public key is read from PROVIDER_WEBHOOK_KEY, in PEM
    format, or fetched from the vendor.
    """


@frozen
class ReceiverOptions:
    """The options that choose an account and its secrets or keys."""

    account: str | None
    config: str | None
    allow_v2: bool
    key_file: tuple[Path, ...]
    secret_env: tuple[str, ...]

    def build_receiver(self, provider: str, **more: Any) -> rec.Receiver:
        """Build a receiver with the secrets and keys of the environment or files."""
        from recording_core.webhooks.verification import load_scheme

        prefix = provider.upper()
        keys = [path.read_text(encoding="utf-8", errors="replace") for path in self.key_file]
        if not keys and os.environ.get(f"{prefix}_WEBHOOK_KEY"):
            keys = [os.environ[f"{prefix}_WEBHOOK_KEY"]]
        names = self.secret_env or (f"{prefix}_WEBHOOK_SECRET",)
        secrets = [os.environ[name] for name in names if os.environ.get(name)]
        missing = ", ".join(name for name in self.secret_env if not os.environ.get(name))
        if missing:
            raise rec.ConfigurationError(f"The environment variable {missing} is not set")
        if not secrets and not keys and load_scheme(provider).key_url is None:
            raise rec.ConfigurationError(
                f"{provider}'s webhooks cannot be verified: set {prefix}_WEBHOOK_SECRET, or name "
                "another variable with --secret-env"
            )
        # Without credentials, a receiver is of the account `default`.
        account = choose_account(provider, self.account, self.config)
        return rec.Receiver(
            provider,
            account=account.name,
            allow_v2=self.allow_v2,
            secret=secrets or None,
            key=keys or None,
            **more,
        )


add_receiver_options = build_option_group(
    "options",
    ReceiverOptions,
    click.option(
        "--secret-env",
        multiple=True,
        metavar="NAME",
        help="Environment variable that contains the secret. May be repeated, for rotation."
        "  [default: PROVIDER_WEBHOOK_SECRET]",
    ),
    click.option(
        "--key-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        multiple=True,
        help="File with the vendor's public key, in PEM format. May be repeated.",
    ),
    click.option(
        "--allow-v2",
        is_flag=True,
        help="Accept the vendor's older signature too, which does not cover the body.",
    ),
    account_option,
    config_option,
)

replay_store_option = click.option(
    "--replay-store",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=lambda _, __, path: None if path is None else rec.SqliteReplayStore(path),
    help="Remember printed events in this file, so that no run prints them again.",
)


@webhooks.command()
@click.argument("providers", nargs=-1, type=PROVIDER, metavar="[PROVIDER]...")
@click.option(
    "--provider", "more", multiple=True, type=PROVIDER, help="Same as PROVIDER. May be repeated."
)
@click.option("--host", default="127.0.0.1", help="Host name or address to listen on.")
@build_port_option("Port to listen on.")
@click.option(
    "--url",
    metavar="URL",
    help="Public URL that is configured at the vendor; some vendors sign it. With several vendors, "
    "the part before /PROVIDER.  [default: the address of this server]",
)
@add_receiver_options
@replay_store_option
@add_output_options
def serve(
    providers: tuple[str, ...],
    more: tuple[str, ...],
    host: str,
    port: int,
    url: str | None,
    options: ReceiverOptions,
    replay_store: rec.ReplayStore | None,
    out: Output,
) -> None:
    """Receive webhooks and print their events, until interrupted.

    Accepts webhooks of one vendor at any path, and of several vendors at /PROVIDER each. Accepts a
    replayed webhook without printing its events again.
    """
    names = tuple(dict.fromkeys((*providers, *more)))
    if not names:
        raise click.UsageError("Name at least one PROVIDER.")
    if len(names) > 1 and (options.secret_env or options.key_file):
        raise click.UsageError("--secret-env and --key-file need exactly one PROVIDER.")
    wait_for_interrupt = watch_for_interrupt()
    printer = _EventPrinter(out)
    receivers: dict[str, rec.Receiver] = {}
    for name in names:
        receivers[f"/{name}"] = options.build_receiver(name, replay_store=replay_store)
        receivers[f"/{name}"].listen(printer)
    only = receivers[f"/{names[0]}"] if len(names) == 1 else None
    with serve_receivers(only or receivers, host, port, url) as address:
        for path, receiver in receivers.items():
            url_here = address if only else address + path
            write_message(f"Receiving webhooks of {receiver.provider} at {url_here}")
        write_message("Press Ctrl-C to stop.")
        wait_for_interrupt()


class _EventPrinter:
    """Prints each event immediately, one at a time, below one heading."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._lock = threading.Lock()
        self.count = 0

    def __call__(self, event: rec.RecordingEvent) -> None:
        with self._lock:
            self._out.write_rows(iter((event,)), EVENT, heading=self.count == 0)
            self.count += 1
            sys.stdout.flush()


@webhooks.command()
@click.argument("provider", type=PROVIDER)
@click.argument("request", type=click.File("rb"), metavar="FILE")
@click.option(
    "--url",
    metavar="URL",
    help="Public URL that is configured at the vendor.  [default: from the request line and the "
    "Host header]",
)
@click.option(
    "--at",
    type=TIME,
    help="Time at which the request arrived, for vendors that sign a time: 2h (2 hours ago), or "
    "ISO 8601.  [default: now]",
)
@add_receiver_options
@add_output_options
def verify(
    provider: str,
    request: Any,
    url: str | None,
    at: datetime | None,
    options: ReceiverOptions,
    out: Output,
) -> None:
    """Verify a saved webhook request and explain the result.

    FILE contains a raw HTTP request, or is - for standard input: a request line, headers, an empty
    line, and the unchanged body. Plugins are not notified.

    Exit code 1: the request fails verification.
    """
    saved_request = _parse_saved_request(request.read(), url)
    receiver = options.build_receiver(provider, clock=_FixedClock(at) if at is not None else None)
    try:
        events = receiver.verify(saved_request)
    except rec.WebhookRejected as error:
        if out.json:
            out.write_object({"passes": False, "status": error.status, "reason": error.message})
            raise click.exceptions.Exit(1) from None
        content = _describe_unverified(provider, saved_request, receiver.account)
        raise rec.RecordingError(
            f"The request fails verification ({error.status}): {error.message}; {content}"
        ) from None
    if out.json:
        out.write_object({"passes": True, "events": len(events)})
    else:
        write_message(f"The request passes verification: {format_count(len(events), 'event')}.")
    out.write_rows(events, EVENT)


def _describe_unverified(provider: str, request: rec.WebhookRequest, account: str) -> str:
    try:
        events = rec.unsafe_parse(provider, request, account=account)
    except rec.WebhookRejected:
        events = ()
    kinds = ", ".join(f"{each.kind} {each.recording_id}" for each in events)
    return f"its unverified content: {kinds}" if events else "it contains no event"


def _parse_saved_request(data: bytes, url: str | None) -> rec.WebhookRequest:
    """Parse a raw HTTP request, and write messages on what was assumed.

    Raises `UsageError` if the data is not an HTTP request.
    """
    head, *rest = re.split(rb"\r?\n\r?\n", data, maxsplit=1)
    first, *lines = re.split("\r?\n", head.decode("latin-1"))
    start = first.split(" ")
    if not rest or len(start) != 3 or not start[2].startswith("HTTP/"):
        raise click.UsageError(
            "FILE is not a raw HTTP request, which begins with a line such as "
            "`POST /hook HTTP/1.1` and has an empty line after its headers."
        )
    fields = (line.partition(":") for line in lines)
    headers = [(name.strip(), value.strip()) for name, colon, value in fields if colon]
    method, target, _ = start
    [body] = rest
    draft = rec.WebhookRequest(method, target, headers, body)
    length = draft.header("content-length") or ""
    stated = int(length[:4000]) if length.isdigit() else len(body)  # int() rejects 4,301 digits
    extra = len(body) - stated
    if extra > 0:
        write_message(f"Ignored {extra} bytes after the end of the body (Content-Length).")
        body = body[:stated]
    elif extra < 0:
        write_message(f"The body has {len(body)} bytes, but Content-Length is {length}.")
    if url is None and target.startswith("/"):
        target = f"https://{draft.header('host') or 'localhost'}{target}"
        write_message(f"Assumed the URL {target.partition('?')[0]}; set another with --url.")
    elif url is not None and "?" in target:
        # The configured URL is the same for every request, but each request has its own query.
        url = f"{url.partition('?')[0]}?{target.partition('?')[2]}"
    return rec.WebhookRequest(method, url or target, headers, body)


@frozen
class _FixedClock(SystemClock):
    """A clock that always shows the same time."""

    at: datetime

    def now(self) -> datetime:
        return self.at


@webhooks.command()
@click.argument("providers", nargs=-1, type=PROVIDER, metavar="[PROVIDER]...")
@click.option(
    "--since",
    type=TIME,
    required=True,
    help="Check recordings created at or after this time: 1d (1 day ago), today, yesterday, a day "
    "such as 2026-01-31, or ISO 8601.",
)
@build_tz_option()
@click.option(
    "--target",
    type=TARGET,
    help="Check recordings of this call, conference or meeting; needed for those that the vendor "
    "lists only by target.",
)
@replay_store_option
@add_output_options
@add_connect_options
def reconcile(
    providers: tuple[str, ...],
    since: datetime,
    tz: str,
    target: rec.CommunicationSession | None,
    replay_store: rec.ReplayStore | None,
    connect_options: ConnectOptions,
    out: Output,
) -> None:
    """Print events of listed recordings for which no webhook arrived.

    Checks all configured accounts, or those of PROVIDER, or those that --account names. With
    --replay-store, skips the events in that file and adds those that are printed.

    Exit code 3: a plugin failed to handle an event, a listing is not complete, or one of several
    accounts failed.
    """
    from recording_core.webhooks.dispatch import Dispatcher
    from recording_core.webhooks.reconcile import reconcile_events

    dispatcher = Dispatcher(rec.MemoryReplayStore() if replay_store is None else replay_store)
    printer = _EventPrinter(out)
    dispatcher.listen(printer)
    accounts = connect_options.select(tuple(dict.fromkeys(providers)))
    names = name_accounts(accounts)
    complete = True
    errors: list[rec.RecordingError] = []
    for account, name in names.items():
        try:
            with connect_options.open(account) as provider, raise_usage_errors():
                done = reconcile_events(provider, dispatcher, since=since, target=target)
        except KeyboardInterrupt as interruption:
            events = format_count(printer.count, "event")
            interruption.add_note(f"Interrupted at {name}. {events} printed before that.")
            raise
        except rec.RecordingError as error:
            errors.append(error)
            if len(names) > 1:
                write_message(f"Error: {name}: {describe_error(error)}")
            continue
        summary = f"{format_count(len(done), 'event')} dispatched"
        if done.failed:
            summary += f", {format_count(len(done.failed), 'event')} rejected by a listener"
        write_message(f"{name}: {summary}; {describe_coverage(done.coverage)}")
        complete = complete and done.coverage.complete and not done.failed
    raise_errors(errors, len(names), "No account could be checked", complete=complete)
