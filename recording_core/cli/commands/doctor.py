"""Command `doctor`: checks plugins, credentials, connections to vendors, and the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

import click
from attrs import frozen

import recording_core as rec
from recording_core.accounts import is_configured, list_missing_settings
from recording_core.cli.arguments import PROVIDER
from recording_core.cli.commands.providers import find_distribution
from recording_core.cli.options import ConnectOptions, add_connect_options
from recording_core.cli.output.messages import AttentionNeeded, write_message
from recording_core.cli.output.output import Output, OutputColumn, add_output_options
from recording_core.cli.output.values import format_for_people
from recording_core.plugins import registry as plugins

#: The accepted difference between the vendor's clock and ours. Signed links and webhooks tolerate
#: minutes.
MAX_CLOCK_SKEW = timedelta(seconds=60)
#: The time limit for each request to a vendor, in seconds.
TIMEOUT = 15.0


class Verdict(StrEnum):
    """The result of a check: no problem, a problem to fix, or the check could not be made."""

    OK = "ok"
    ATTENTION = "attention"
    SKIPPED = "skipped"


@frozen
class Check:
    """One check of one provider and its result."""

    provider: str
    check: str
    verdict: Verdict
    detail: str


CHECK: tuple[OutputColumn[Check], ...] = (
    OutputColumn("PROVIDER", lambda each: each.provider, width=12),
    OutputColumn("CHECK", lambda each: each.check, width=11),
    OutputColumn("VERDICT", lambda each: each.verdict, width=9),
    OutputColumn("DETAIL", lambda each: each.detail),
)


@click.command()
@click.argument("providers", nargs=-1, type=PROVIDER, metavar="[PROVIDER]...")
@add_output_options
@add_connect_options
def doctor(providers: tuple[str, ...], connect_options: ConnectOptions, out: Output) -> None:
    """Check plugins, credentials, connections and clocks.

    Requests one page of recordings from each vendor and compares its clock with this machine's.
    Without PROVIDER, checks every installed vendor and skips those without credentials. Prints no
    secrets.

    Exit code 3: a check found a problem, or no vendor was contacted.
    """
    found = plugins.load_registry()
    names = providers or (*found.providers, *found.broken)
    connect_options.check_providers(names)
    checks: list[Check] = []

    def run_checks() -> Iterator[Check]:
        for name in names:
            for each in _check_provider(name, connect_options, requested=bool(providers)):
                checks.append(Check(name, *each))
                yield checks[-1]

    out.write_rows(run_checks(), CHECK)
    contacted = any(each.check == "answer" for each in checks)
    if not contacted:
        write_message("No vendor was contacted: set the environment variables of at least one.")
    if not contacted or any(each.verdict is Verdict.ATTENTION for each in checks):
        raise AttentionNeeded()


def _check_provider(
    name: str, connect_options: ConnectOptions, *, requested: bool
) -> Iterator[tuple[str, Verdict, str]]:
    """Yield the name, verdict and detail of each check."""
    broken = plugins.load_registry().broken.get(name)
    if broken is not None:
        yield "plugin", Verdict.ATTENTION, str(broken)
        return
    info = plugins.get_provider_info(name)
    yield "plugin", Verdict.OK, find_distribution(name)
    missing = _describe_missing_settings(info)
    if missing:
        verdict = Verdict.ATTENTION if requested or is_configured(info) else Verdict.SKIPPED
        yield "credentials", verdict, f"not set: {missing}"
        return
    try:
        provider = connect_options.connect(name, total_timeout=TIMEOUT, retries=0, workers=1)
    except rec.RecordingError as error:
        yield "credentials", Verdict.ATTENTION, str(error)
        return
    with provider:
        yield from _check_api(provider)


def _describe_missing_settings(info: rec.ProviderInfo) -> str:
    """Name the variables to set, or those of which one is enough; empty if everything is set."""
    missing = list_missing_settings(info)
    if missing or is_configured(info):
        return ", ".join(missing)
    return " or ".join(each.env for each in info.settings if not each.default)


def _check_api(provider: rec.Provider) -> Iterator[tuple[str, Verdict, str]]:
    """Request one page of the last hour's recordings, which checks the address and credentials."""
    url, began = provider.transport.base_url, time.monotonic()
    verdict, detail = Verdict.OK, "accepted"
    try:
        next(iter(provider.list(since=provider.clock.now() - timedelta(hours=1))), None)
    except rec.AuthenticationFailed as error:
        verdict, detail = Verdict.ATTENTION, str(error)
    except rec.UnsupportedOperation as error:
        yield "answer", Verdict.SKIPPED, str(error)
        return
    except rec.RecordingError as error:
        yield "answer", Verdict.ATTENTION, f"{url}: {error}"
        return
    yield "answer", Verdict.OK, f"{url} in {(time.monotonic() - began) * 1000:.0f} ms"
    yield "credentials", verdict, detail
    yield "clock", *_check_clock(provider)


def _check_clock(provider: rec.Provider) -> tuple[Verdict, str]:
    """Compare clocks by the `Date` header (RFC 9110, 6.6.1) of the API's root.

    The request has no credentials; an error response has a `Date` too.
    """
    from recording_core.transport.authentication import NoAuth
    from recording_core.transport.deadline import Deadline
    from recording_core.transport.session import NETWORK_ERRORS, build_session

    url = provider.transport.base_url
    try:
        with build_session(None, 1) as session, Deadline(TIMEOUT) as deadline:
            send = provider.transport.send
            with send(session, "GET", url, deadline, auth=NoAuth(), headers={}) as response:
                vendor_time = parsedate_to_datetime(response.headers["Date"])
    except (*NETWORK_ERRORS, KeyError, TypeError, ValueError):
        return Verdict.SKIPPED, "the vendor sent no Date header"
    if vendor_time.tzinfo is None:
        vendor_time = vendor_time.replace(tzinfo=UTC)
    skew = provider.clock.now() - vendor_time
    if abs(skew) <= MAX_CLOCK_SKEW:
        return Verdict.OK, "agrees with the vendor's clock"
    direction = "ahead of" if skew > timedelta(0) else "behind"
    return Verdict.ATTENTION, (
        f"this machine's clock is {format_for_people(abs(skew))} {direction} the vendor's clock: "
        "correct it"
    )
