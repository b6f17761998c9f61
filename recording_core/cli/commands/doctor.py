"""What keeps it from working? Plugins, credentials, the vendors' answers, and the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import click
from attrs import frozen

import recording_core as rec
from recording_core.cli.arguments import PROVIDER, Where, where_options
from recording_core.cli.environment import configured, distribution_of, missing_settings
from recording_core.cli.output.output import Column, Output, needs_attention, output_options, say
from recording_core.cli.output.values import clock_time
from recording_core.plugins import registry as plugins

__all__ = ["Check", "Verdict", "doctor"]

#: How far the vendor's clock and ours may be apart: signed links and webhooks bear minutes.
SKEW = timedelta(seconds=60)
#: Seconds that a healthy vendor takes at most.
PATIENCE = 15.0
HASTE: Mapping[str, Any] = {"total_timeout": PATIENCE, "retries": 0, "workers": 1}


class Verdict(StrEnum):
    """How a check went."""

    OK = "ok"
    #: somebody should look
    ATTENTION = "attention"
    #: there was nothing to check it by
    SKIPPED = "skipped"


@frozen
class Check:
    """One thing that was looked at."""

    provider: str
    check: str
    verdict: Verdict
    detail: str


CHECK: tuple[Column[Check], ...] = (
    Column("PROVIDER", lambda each: each.provider, width=12),
    Column("CHECK", lambda each: each.check, width=11),
    Column("VERDICT", lambda each: each.verdict, width=9),
    Column("", lambda each: each.detail),
)


@click.command()
@click.argument("providers", nargs=-1, type=PROVIDER, metavar="[PROVIDER]...")
@output_options
@where_options
def doctor(providers: tuple[str, ...], where: Where, out: Output) -> None:
    """Find out what keeps it from working.

    Looks at plugins and credentials, asks each vendor for one page, and compares clocks. Without
    PROVIDER those without credentials are named, and nothing is made of it. No secret is shown.

    Exit code 3: something needs attention.
    """
    found = plugins.load_registry()
    names = providers or (*found.providers, *found.broken)
    if where.base_url and len(names) > 1:
        raise click.UsageError("--base-url is one vendor's: name the PROVIDER")
    checks: list[Check] = []

    def examined() -> Iterator[Check]:
        for name in names:
            for check in _examine(name, where, asked_for=bool(providers)):
                checks.append(check)
                yield check

    out.rows(examined(), CHECK)
    asked = any(each.check == "answer" for each in checks)
    if not asked:
        say("no vendor could be asked: set the variables of one of them")
    if not asked or any(each.verdict is Verdict.ATTENTION for each in checks):
        raise needs_attention()


def _examine(name: str, where: Where, *, asked_for: bool) -> Iterator[Check]:
    broken = plugins.load_registry().broken.get(name)
    if broken is not None:
        yield Check(name, "plugin", Verdict.ATTENTION, str(broken))
        return
    info = plugins.provider_info(name)
    yield Check(name, "plugin", Verdict.OK, distribution_of(name))
    missing = _missing_words(info)
    if missing:
        wanted = asked_for or configured(info)
        verdict = Verdict.ATTENTION if wanted else Verdict.SKIPPED
        yield Check(name, "credentials", verdict, f"not set: {missing}")
        return
    try:
        provider = where.connect(name, **HASTE)
    except rec.RecordingError as error:
        yield Check(name, "credentials", Verdict.ATTENTION, str(error))
        return
    with provider:
        yield from _ask(provider)


def _missing_words(info: rec.ProviderInfo) -> str:
    """The variables to set, or those of which one is enough; empty where all is set."""
    missing = missing_settings(info)
    if missing or configured(info):
        return ", ".join(missing)
    return " or ".join(each.env for each in info.settings if not each.default)


def _ask(provider: rec.Provider) -> Iterator[Check]:
    """One page of what was created in the last hour: who is refused it is refused everything."""
    url, began = provider.transport.base_url, time.monotonic()
    credentials = Check(provider.name, "credentials", Verdict.OK, "accepted")
    try:
        listing = provider.list(since=provider.clock.now() - timedelta(hours=1))
        next(iter(listing), None)
    except rec.AuthenticationFailed as error:
        credentials = Check(provider.name, "credentials", Verdict.ATTENTION, str(error))
    except rec.UnsupportedOperation as error:
        yield Check(provider.name, "answer", Verdict.SKIPPED, str(error))
        return
    except rec.RecordingError as error:
        yield Check(provider.name, "answer", Verdict.ATTENTION, f"{url}: {error}")
        return
    took = round((time.monotonic() - began) * 1000)
    yield Check(provider.name, "answer", Verdict.OK, f"{url} in {took} ms")
    yield credentials
    yield _clock(provider)


def _clock(provider: rec.Provider) -> Check:
    """By the `Date` of whatever the API's root answers to a stranger (RFC 9110, 6.6.1)."""
    from recording_core.transport.authentication import NoAuth
    from recording_core.transport.deadline import Deadline
    from recording_core.transport.session import NETWORK_ERRORS, new_session

    url = provider.transport.base_url
    try:
        with (
            new_session(None, 1) as session,
            Deadline(PATIENCE) as deadline,
            provider.transport.send(
                session, "GET", url, deadline, auth=NoAuth(), headers={}
            ) as answer,
        ):
            theirs = parsedate_to_datetime(answer.headers["Date"])
    except (*NETWORK_ERRORS, KeyError, TypeError, ValueError):
        return Check(provider.name, "clock", Verdict.SKIPPED, "the vendor names no time")
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    apart = provider.clock.now() - theirs
    if abs(apart) <= SKEW:
        return Check(provider.name, "clock", Verdict.OK, "as the vendor's")
    way = "ahead of" if apart > timedelta(0) else "behind"
    return Check(
        provider.name,
        "clock",
        Verdict.ATTENTION,
        f"this machine is {clock_time(abs(apart))} {way} the vendor: set its clock",
    )
