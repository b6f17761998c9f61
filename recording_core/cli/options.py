"""Options: groups of options that several commands share."""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, get_args, get_origin

import click
from attrs import frozen

import recording_core as rec
from recording_core.accounts import (
    choose_account,
    describe_same_account,
    find_same_accounts,
    list_accounts,
    open_account,
    select_accounts,
)
from recording_core.cli.arguments import DURATION, TIME, ZONE
from recording_core.cli.output.messages import set_error_context, write_message

#: A decorator of a command's function.
Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def add_arguments(*arguments: Decorator) -> Decorator:
    """Build a decorator that adds click's arguments and options, in this order."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for each in reversed(arguments):
            command = each(command)
        return command

    return add


def build_option_group(name: str, build: Callable[..., Any], *options: Decorator) -> Decorator:
    """Build a decorator that adds options, which a command receives as one argument `name`.

    `build` builds the argument from the options that its parameters name.
    """
    names = tuple(inspect.signature(build).parameters)

    def add_options(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run_with_group(*args: Any, **values: Any) -> None:
            chosen = build(**{each: values.pop(each) for each in names})
            command(*args, **{name: chosen}, **values)

        return add_arguments(*options)(run_with_group)

    return add_options


def _complete_accounts(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """List the accounts that a shell completes, those of the providers if some are named."""
    try:
        found = list_accounts(ctx.params.get("config"))
    except rec.RecordingError:
        return []  # the command itself shows the error
    # The line is not complete, so that click has not assigned its words to arguments.
    named = {each.provider for each in found if each.provider in ctx.args}
    names = {each.name for each in found if not named or each.provider in named}
    return sorted(each for each in names if each.startswith(incomplete))


account_option = click.option(
    "--account",
    metavar="NAME",
    shell_complete=_complete_accounts,
    help="Use the account of this name, of recordings.toml or `default` of the environment."
    "  [default: the account `default`, or the only one; commands for several accounts use all]",
)
config_option = click.option(
    "--config",
    metavar="FILE",
    help="File with the accounts.  [default: recordings.toml in this directory or in the "
    "user's configuration directory]",
)


@frozen
class ConnectOptions:
    """The options that choose an account, an API address and a timeout."""

    account: str | None
    config: str | None
    base_url: str | None
    timeout: timedelta | None

    def choose(self, provider: str, name: str | None = None) -> rec.Account:
        """Choose one account of a provider; `name` is the default of the option `--account`."""
        return choose_account(provider, self.account or name, self.config)

    def select(self, providers: Sequence[str]) -> tuple[rec.Account, ...]:
        """Select all accounts of these providers, or of all of them.

        Raises `UsageError` if one API address is given for several accounts.
        """
        accounts = select_accounts(self.account, providers, self.config)
        self.check_base_url(accounts)
        return accounts

    def check_base_url(self, accounts: Sequence[rec.Account]) -> None:
        """Raise `UsageError` if one API address is given for several accounts."""
        if self.base_url and len(accounts) > 1:
            raise click.UsageError(
                "--base-url needs exactly one account: name a PROVIDER, and its --account."
            )

    def open(self, account: rec.Account, **http: Any) -> rec.Provider:
        """Connect to an account. `http` replaces fields of its `HttpSettings`."""
        set_error_context(account=account)
        if self.timeout is not None:
            http["total_timeout"] = self.timeout.total_seconds()
        return open_account(account, base_url=self.base_url, **http)


def name_accounts(accounts: Sequence[rec.Account]) -> Mapping[rec.Account, str]:
    """Leave out accounts with the credentials of an earlier one, and write a message on each.

    Returns account -> its name in messages: `acme sales`, or `acme` for an only account `default`.
    """
    same = find_same_accounts(accounts)
    for each, earlier in same.items():
        write_message(f"{describe_same_account(each, earlier)}.")
    merged = [each for each in accounts if each not in same]
    counts = Counter(each.provider for each in merged)
    return {
        each: each.provider
        if each.name == "default" and counts[each.provider] == 1
        else f"{each.provider} {each.name}"
        for each in merged
    }


_CONNECT_OPTIONS = (
    account_option,
    config_option,
    click.option("--base-url", metavar="URL", help="Use another address of the vendor's API."),
    click.option(
        "--timeout",
        type=DURATION,
        help="Time limit for an operation or for each page of a listing, including retries."
        "  [default: 60s]",
    ),
)
add_connect_options = build_option_group("connect_options", ConnectOptions, *_CONNECT_OPTIONS)


def _connect(
    provider: str,
    account: str | None,
    config: str | None,
    base_url: str | None,
    timeout: timedelta | None,
) -> rec.Provider:
    """Connect to one account of a provider until the command ends."""
    options = ConnectOptions(account, config, base_url, timeout)
    return click.get_current_context().with_resource(options.open(options.choose(provider)))


#: The command receives a connection as its argument `provider`.
add_connection = build_option_group("provider", _connect, *_CONNECT_OPTIONS)

since_option = click.option(
    "--since",
    type=TIME,
    help="Only recordings created at or after this time: 90d (90 days ago), today, yesterday, a "
    "day such as 2026-01-31, or ISO 8601.",
)
until_option = click.option(
    "--until",
    type=TIME,
    help="Only recordings created before this time; before the day begins if it is a day.",
)


def build_tz_option(more: str = "") -> Decorator:
    """Build the option `--tz`, which is read before the times that depend on it."""
    return click.option(
        "--tz",
        type=ZONE,
        default="UTC",
        is_eager=True,
        metavar="ZONE",
        help=f"Time zone of days and of times without an offset{more}, e.g. Europe/Berlin.",
    )


@frozen
class CollectOptions:
    """The options that choose a window, and the accounts or folder to collect recordings from."""

    since: datetime | None
    until: datetime | None
    tz: str
    to: str | None
    source: str | None
    account: str | None
    config: str | None

    @property
    def is_stored(self) -> bool:
        """Whether the recordings are read from a folder only."""
        return self.source is not None and self.to is None

    def find_accounts(self) -> tuple[rec.Account, ...] | None:
        """Return the accounts to list; None if a folder is read, whose accounts are those in it."""
        if self.is_stored and self.config is None and self.account is None:
            return None
        return select_accounts(self.account, config=self.config)


add_collect_options = build_option_group(
    "collect",
    CollectOptions,
    since_option,
    until_option,
    build_tz_option(", and of hours, days, weeks and months in a report"),
    click.option(
        "--to",
        metavar="FOLDER",
        help="Store the collected recordings as Parquet in this folder, a path or URL.",
    ),
    click.option(
        "--from",
        "source",
        metavar="FOLDER",
        help="Read the recordings that --to stored in this folder, or those of an archive; send no "
        "requests.",
    ),
    account_option,
    config_option,
)


def build_port_option(help: str) -> Decorator:
    """Build the option `--port`; 0, the default, is any free port."""
    port = click.IntRange(0, 65535)
    return click.option("--port", type=port, default=0, show_default="any free port", help=help)


class StartCommand(click.Command):
    """A command with an option for each row of the table of start's parameters.

    The table is imported when the options are needed, not for the list of commands.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*_build_start_options(), *super().get_params(ctx)]


@functools.cache
def _build_start_options() -> Sequence[click.Option]:
    from recording_core.provider.start_request import START_PARAMETERS, START_TYPES

    options = []
    for name, parameter in START_PARAMETERS.items():
        kinds = {get_origin(kind) or kind for kind in get_args(START_TYPES[name])}
        settings: dict[str, Any] = {"multiple": Sequence in kinds}
        if START_TYPES[name] is bool:
            settings = {"is_flag": True}
        elif timedelta in kinds:
            settings = {"type": DURATION}
        elif int in kinds:
            settings = {"type": int}
        flag = f"--{name.replace('_', '-')}"
        options.append(click.Option([flag], help=parameter.help, **settings))
    return options
