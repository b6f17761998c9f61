"""Command `doctor`: checks this machine, plugins, credentials, connections and assumptions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import partial

import click
from attrs import frozen

import recording_core as rec
from recording_core.accounts import find_same_accounts, list_accounts
from recording_core.cli.arguments import PROVIDER, build_target
from recording_core.cli.commands.providers import find_distribution
from recording_core.cli.options import ConnectOptions, add_connect_options
from recording_core.cli.output.messages import (
    AttentionNeeded,
    confirm_action,
    describe_account,
    describe_error,
    write_message,
)
from recording_core.cli.output.output import Output, OutputColumn, add_output_options
from recording_core.cli.output.values import format_for_people
from recording_core.configuration.environment import is_configured, list_missing_settings
from recording_core.plugins import registry as plugins
from recording_core.redaction import redact_text

#: The accepted difference between the vendor's clock and ours. Signed links and webhooks tolerate
#: minutes.
MAX_CLOCK_SKEW = timedelta(seconds=60)
#: The time limit for each request to a vendor, in seconds.
TIMEOUT = 15.0


class Verdict(StrEnum):
    """The result of a check.

    No problem, a problem to fix, or the check could not be made; for an assumption: it holds, it
    does not, or it was not seen; for what a vendor sends: the provider does not read it.
    """

    OK = "ok"
    ATTENTION = "attention"
    SKIPPED = "skipped"
    HOLDS = "holds"
    REFUTED = "refuted"
    NOT_SEEN = "not seen"
    UNKNOWN = "unknown"


#: The answer of a probe -> its verdict
VERDICTS: Mapping[bool | None, Verdict] = {
    True: Verdict.HOLDS,
    False: Verdict.REFUTED,
    None: Verdict.NOT_SEEN,
}
#: Verdicts with which the command ends with exit code 3
ATTENTION = frozenset({Verdict.ATTENTION, Verdict.REFUTED, Verdict.UNKNOWN})

#: The name of a check, its verdict and a detail
Result = tuple[str, Verdict, str]
SEND_IT = (
    "Please send this output to the provider's authors, as described at "
    "https://github.com/recording-core/recording-core/blob/main/docs/assumptions.md"
)


@frozen
class Check:
    """One check of this machine, of one provider, or of one of its accounts, and its result."""

    provider: str | None
    account: str | None
    check: str
    verdict: Verdict
    detail: str


CHECK: tuple[OutputColumn[Check], ...] = (
    OutputColumn("PROVIDER", lambda each: each.provider, width=12),
    OutputColumn("ACCOUNT", lambda each: each.account, width=8),
    OutputColumn("CHECK", lambda each: each.check, width=13),
    OutputColumn("VERDICT", lambda each: each.verdict, width=9),
    OutputColumn("DETAIL", lambda each: each.detail),
)


@click.command()
@click.argument("providers", nargs=-1, type=PROVIDER, metavar="[PROVIDER]...")
@click.option(
    "--assumptions",
    is_flag=True,
    help="Also check what the vendor's pages leave open, by its newest recordings. Changes "
    "nothing.",
)
@click.option(
    "--with-session",
    "session",
    metavar="[KIND:]ID",
    help="The same, and record this call, conference or meeting for some seconds, to check the "
    "responses to start, pause, resume and stop. Needs one PROVIDER.",
)
@click.option("--yes", is_flag=True, help="Do not ask before the recording is started.")
@add_output_options
@add_connect_options
def doctor(
    providers: tuple[str, ...],
    assumptions: bool,
    session: str | None,
    yes: bool,
    connect_options: ConnectOptions,
    out: Output,
) -> None:
    """Check this machine, plugins, credentials, connections and clocks.

    Checks the proxy, the certificate authorities and the time zone data of this machine.

    Requests one page of recordings with each account and compares the vendor's clock with this
    machine's. Checks every installed vendor and all configured accounts, or those of PROVIDER, or
    those that --account names. Skips vendors without credentials. Prints no secrets.

    With --assumptions it prints which of the provider's assumptions about the vendor hold, which
    are refuted and which could not be seen, and which statuses and fields the vendor sends that
    the provider does not read: names and JSON types, and no values.

    Exit code 3: a check found a problem, an assumption is refuted, the vendor sends something
    unknown, or no vendor was contacted.
    """
    target = None
    if session is None:
        accounts = _find_accounts(providers, connect_options)
    else:
        if len(providers) != 1:
            raise click.UsageError("--with-session needs exactly one PROVIDER.")
        account = connect_options.choose(providers[0])
        accounts = {providers[0]: (account,)}
        target = _find_target(plugins.get_provider_info(providers[0]), session)
        if not yes:
            with connect_options.open(account) as provider:
                action = f"one recording of {target} with {describe_account(provider)}"
            confirm_action(
                f"Start, pause and stop {action}?",
                reason=f"This starts, pauses and stops {action}",
                refused="Nothing was recorded.",
            )
        assumptions = True
    check_more = partial(_check_assumptions, target=target) if assumptions else None
    checks: list[Check] = []

    def find_results() -> Iterator[Check]:
        for each in _check_machine():
            yield Check(None, None, *each)
        for name, configured in accounts.items():
            for result in _check_provider(name, configured, connect_options, check_more):
                yield Check(name, *result)

    def run_checks() -> Iterator[Check]:
        for each in find_results():
            checks.append(each)
            yield each

    out.write_rows(run_checks(), CHECK)
    contacted = any(each.check == "answer" for each in checks)
    if not contacted:
        write_message("No vendor was contacted: configure an account of at least one.")
    elif assumptions:
        write_message(SEND_IT)
    if not contacted or any(each.verdict in ATTENTION for each in checks):
        raise AttentionNeeded()


def _check_machine() -> Iterator[Result]:
    """Check the proxy and the certificate authorities for https, and the time zone data."""
    from urllib.request import getproxies

    from recording_core.reporting.window import check_zone_data
    from recording_core.transport import network_failures
    from recording_core.transport.session import load_authorities

    proxies = getproxies()
    proxy = proxies.get("https") or proxies.get("all") or ""
    source = network_failures.find_proxy_source()
    fault = network_failures.find_proxy_fault(proxy) if proxy else None
    if fault is not None:
        yield "proxy", Verdict.ATTENTION, f"{source} {fault}: correct or unset it"
    elif proxy:
        parsed = network_failures.parse_proxy(proxy)
        yield "proxy", Verdict.OK, f"{source} names {parsed.scheme}://{parsed.netloc}"
    else:
        yield "proxy", Verdict.OK, "none"
    source, bundle = network_failures.find_bundle()
    detail = f"{source} names {bundle}"
    try:
        load_authorities(bundle)
    except OSError:
        detail += ", which is not a readable file of certificate authorities: correct or unset it"
        yield "certificates", Verdict.ATTENTION, detail
    else:
        yield "certificates", Verdict.OK, detail
    try:
        check_zone_data()
    except rec.ConfigurationError as error:
        yield "time zones", Verdict.ATTENTION, str(error)
    else:
        yield "time zones", Verdict.OK, "this machine has their data"


def _find_target(info: rec.ProviderInfo, text: str) -> rec.CommunicationSession:
    """Find the target that `KIND:ID` names, or an ID at a vendor that records one kind only.

    Raises `UsageError` if the vendor cannot start and stop a recording of it.
    """
    kinds = [
        kind
        for kind in rec.SessionKind
        if info.can(rec.Operation.START, kind) and info.can(rec.Operation.STOP, kind)
    ]
    for kind in kinds:
        if text.startswith(f"{kind}:"):
            return build_target(kind, text.removeprefix(f"{kind}:"))
    if len(kinds) == 1:
        return build_target(kinds[0], text)
    forms = " or ".join(f"{kind}:ID" for kind in kinds) or "nothing, since it cannot record"
    raise click.UsageError(f"--with-session takes {forms} at {info.label}.")


def _find_accounts(
    providers: tuple[str, ...], connect_options: ConnectOptions
) -> dict[str, tuple[rec.Account, ...]]:
    """Find the accounts to check by provider; an installed vendor without any has none."""
    if providers or connect_options.account is not None:
        selected = connect_options.select(providers)
        names = providers or tuple(each.provider for each in selected)
    else:
        found = plugins.load_registry()
        names = (*found.providers, *found.broken)
        selected = list_accounts(connect_options.config)
        connect_options.check_base_url(selected)
    return {name: tuple(each for each in selected if each.provider == name) for name in names}


def _check_provider(
    name: str,
    accounts: tuple[rec.Account, ...],
    connect_options: ConnectOptions,
    check_more: Callable[[rec.Provider], Iterator[Result]] | None,
) -> Iterator[tuple[str | None, *Result]]:
    """Yield the results of a provider's checks, each with the name of the account or None."""
    broken = plugins.load_registry().broken.get(name)
    if broken is not None:
        yield None, "plugin", Verdict.ATTENTION, str(broken)
        return
    yield None, "plugin", Verdict.OK, find_distribution(name)
    same = find_same_accounts(accounts)
    for account in accounts:
        if account in same:
            detail = f"the same as those of account {same[account].name!r}"
            yield account.name, "credentials", Verdict.SKIPPED, detail
            continue
        for each in _check_account(account, connect_options, check_more):
            yield account.name, *each
    if not accounts:
        missing = _describe_missing_settings(plugins.get_provider_info(name))
        yield None, "credentials", Verdict.SKIPPED, f"not set: {missing}"


def _check_account(
    account: rec.Account,
    connect_options: ConnectOptions,
    check_more: Callable[[rec.Provider], Iterator[Result]] | None,
) -> Iterator[Result]:
    """Yield the results of each check; `check_more` follows if the vendor accepts the requests."""
    info = plugins.get_provider_info(account.provider)
    missing = _describe_missing_settings(info) if account.source is None else ""
    if missing:
        yield "credentials", Verdict.ATTENTION, f"not set: {missing}"
        return
    try:
        provider = connect_options.open(account, total_timeout=TIMEOUT, retries=0, workers=1)
    except rec.RecordingError as error:
        yield "credentials", Verdict.ATTENTION, str(error)
        return
    with provider:
        accepted = True
        for each in _check_api(provider):
            accepted = accepted and (each[0] == "clock" or each[1] is not Verdict.ATTENTION)
            yield each
        if accepted and check_more is not None:
            yield from check_more(provider)


def _describe_missing_settings(info: rec.ProviderInfo) -> str:
    """Name the variables to set, or those of which one is enough; empty if everything is set."""
    missing = list_missing_settings(info)
    if missing or is_configured(info):
        return ", ".join(missing)
    return " or ".join(each.env for each in info.settings if not each.default)


def _check_api(provider: rec.Provider) -> Iterator[Result]:
    """Request one page of the last hour's recordings, which checks the address and credentials."""
    url, began = provider.transport.base_url, time.monotonic()
    verdict, detail = Verdict.OK, "accepted"
    try:
        next(iter(provider.list(since=provider.clock.now() - timedelta(hours=1))), None)
    except rec.AuthenticationFailed as error:
        verdict, detail = Verdict.ATTENTION, describe_error(error)
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
            send = partial(provider.transport.send, session, "GET", url, deadline)
            with send(auth=NoAuth(), headers={}, operation="doctor", attempt=1) as response:
                vendor_time = parsedate_to_datetime(response.headers["Date"])
    except (*NETWORK_ERRORS, KeyError, ValueError):
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


def _check_assumptions(
    provider: rec.Provider, target: rec.CommunicationSession | None
) -> Iterator[Result]:
    """Observe the newest recordings, and one new recording of a target; yield what they show."""
    from recording_core.provider import assumptions as checks

    recordings: tuple[rec.Recording, ...] = ()
    try:
        if provider.can(rec.Operation.LIST):
            recordings = checks.observe_recordings(provider)
            yield "recordings", Verdict.OK, f"{len(recordings)} of the newest were observed"
    except rec.RecordingError as error:
        yield "recordings", Verdict.ATTENTION, str(error)
    sessions: dict[str, rec.RecordingSession] = {}
    for verb, after in (checks.observe_session(provider, target) if target else {}).items():
        if isinstance(after, rec.RecordingSession):
            sessions[verb] = after
            yield verb, Verdict.OK, after.status
        else:
            advice = f". Stop it: recordings stop {provider.name} ..." if verb == "stop" else ""
            yield verb, Verdict.ATTENTION, f"{after}{advice}"
    observation = checks.Observation(provider, recordings, sessions)
    path = provider.info.assumptions
    for each in plugins.load_object(provider.info, "assumptions") if path is not None else ():
        holds, detail = checks.run_probe(each, observation)
        question = each.leaves_open.rstrip(".")
        yield f"assumption {each.number}", VERDICTS[holds], f"{question}: {detail}"
    for part in checks.find_unknown_parts(observation, provider.known_fields):
        # A vendor chose the name.
        name = redact_text(part.name)[:100].encode("unicode_escape").decode()
        seen = f"in {part.count} of {len(recordings) + len(sessions)}"
        json_type = f", {part.json_type}," if part.json_type else ""
        yield part.kind, Verdict.UNKNOWN, f"`{name}`{json_type} {seen}"
