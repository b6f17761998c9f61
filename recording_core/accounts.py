"""Accounts: find the configured accounts, choose one of them, and connect to it.

The accounts are those of the file `recordings.toml` and those of the environment: each installed
provider with a credential among its environment variables is one account, `default`, or
`environment` if the file has another account `default` of that provider. The file is the one that
`--config` or RECORDINGS_CONFIG names, else ./recordings.toml, else recordings/recordings.toml in
the user's configuration folder.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from attrs import evolve

from recording_core.configuration.environment import (
    is_configured,
    is_credential,
    read_base_url,
    read_settings,
)
from recording_core.errors import ConfigurationError, PluginError, RecordingError
from recording_core.plugins import registry as plugins

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from recording_core.configuration.account_file import AccountTable
    from recording_core.configuration.credential import Credential
    from recording_core.model.capabilities import ProviderInfo
    from recording_core.provider.provider import Provider
    from recording_core.transport.settings import HttpSettings

T = TypeVar("T")

FILE_NAME = "recordings.toml"
CONFIG_VARIABLE = "RECORDINGS_CONFIG"
DEFAULT = "default"
#: The name of the environment's account if the file has another `default` of that provider.
ENVIRONMENT = "environment"

_log = logging.getLogger("recording_core.accounts")


class Account(NamedTuple):
    """A configured account: its name, and the source of its credentials, but no credentials.

    An account can be pickled. The process that connects reads the same file or environment.

    Attributes:
        provider: the provider's name
        name: the account's name
        source: the absolute path of the configuration file; `None` for the environment
    """

    provider: str
    name: str = DEFAULT
    source: str | None = None

    def connect(self) -> Provider:
        """Read the credentials and connect. Sends nothing to the vendor.

        Raises `ConfigurationError` if a setting is missing or malformed, and `PluginError` if the
        provider cannot be used.
        """
        return open_account(self)

    @property
    def place(self) -> str:
        """The file or environment that configures it, in words."""
        return "environment" if self.source is None else self.source

    def __str__(self) -> str:
        return f"account {self.name!r} of {self.provider}"


def connect(
    provider: str,
    *,
    account: str | None = None,
    base_url: str | None = None,
    http: HttpSettings | None = None,
    **credentials: str | None,
) -> Provider:
    """Connect to a vendor account, with credentials by keyword or of a configured account.

    Sends no request.

    Args:
        provider: the name of an installed provider, as in `providers()`
        account: the name of a configured account, by default `default`, or the only account of
            this provider. With credentials by keyword, only the name that recordings, sessions and
            copies carry
        base_url: the URL of the API, else that of the account's source (`base_url` of the file, or
            `<PROVIDER>_BASE_URL`), else the vendor's
        http: timeouts, retries, rate and media hosts, else those of the file
        **credentials: the provider's settings by name. If one of them is a credential, no file is
            read, and required settings that are not given are read from their environment variables

    Raises:
        ConfigurationError: a setting is missing, unknown or malformed, or no account of that name
            is configured
        PluginError: the provider is not installed, or its plugin is broken
    """
    info = plugins.get_provider_info(provider)
    unknown = sorted(set(credentials) - {setting.name for setting in info.settings})
    if unknown:
        raise ConfigurationError(
            f"{provider} has no setting {', '.join(unknown)}; its settings are "
            f"{', '.join(setting.name for setting in info.settings)}"
        )
    if account is not None and (not isinstance(account, str) or not account.strip()):
        raise ConfigurationError("account must be a name, such as 'default'")
    given = {name: value for name, value in credentials.items() if value is not None}
    if any(each.name in given for each in info.settings if is_credential(each)):
        chosen = Account(provider, account or DEFAULT)
    else:
        chosen = choose_account(provider, account)
    return open_account(chosen, base_url=base_url, http=http, given=given)


def account(
    name: str, *, provider: str | None = None, config: str | os.PathLike[str] | None = None
) -> Provider:
    """Connect to a configured account by its name. Sends no request.

    Args:
        name: the account's name in `recordings.toml`; `default` may be one of the environment
        provider: the provider's name, if accounts of several have that name
        config: the file, else the one that `find_accounts` reads

    Raises `ConfigurationError` if there is no such account, or more than one, or if a setting is
    missing or malformed, and `PluginError` if the provider cannot be used.
    """
    found = select_accounts(name, () if provider is None else (provider,), config)
    if len(found) > 1:
        raise ConfigurationError(
            f"{len(found)} accounts are named {name!r} ({_describe_accounts(found)}): name the "
            "provider too"
        )
    return open_account(found[0])


def find_accounts(config: str | os.PathLike[str] | None = None) -> tuple[Account, ...]:
    """List the accounts of the configuration file, in its order, and then of the environment.

    Runs no command. Raises `ConfigurationError` if the file cannot be read, if another user may
    write it and it has commands, variables or a `base_url`, or if no account is configured.
    """
    found = list_accounts(config)
    if not found:
        raise ConfigurationError(
            f"No account is configured: write a {FILE_NAME} and name it with --config or "
            f"{CONFIG_VARIABLE}, or set a vendor's variables; `recordings doctor` lists them"
        )
    return found


def get_account_key(account: Account | Provider) -> tuple[str, str]:
    """Return (provider, account) as recordings carry them. Raises `TypeError` for another type."""
    from recording_core.provider.provider import Provider

    if isinstance(account, Account):
        return account.provider, account.name
    if not isinstance(account, Provider):
        raise TypeError(f"an account is an Account or a Provider, not {type(account).__name__}")
    return account.name, account.account


def open_connection(account: Account | Provider) -> AbstractContextManager[Provider]:
    """Connect to an account while a context lasts; a connection of the caller stays open."""
    return account.connect() if isinstance(account, Account) else nullcontext(account)


def build_bug(provider: str, action: str, error: Exception) -> PluginError:
    """Build the error of what only a bug raises; `action` states what the plugin did then."""
    return PluginError(
        f"The plugin of provider {provider!r} failed as it {action}: "
        f"{type(error).__name__}: {error}"
    )


# -- the configured accounts ----------------------------------------------------------------------


def list_accounts(
    config: str | os.PathLike[str] | None = None, provider: str | None = None
) -> tuple[Account, ...]:
    """List the configured accounts, of one provider only if it is named; there may be none."""
    path = _find_config_file(config)
    tables = () if path is None else _read_tables(path)
    source = str(path and path.absolute())
    found = [Account(each.provider, each.name, source) for each in tables]
    named_default = {each.provider: each for each in tables if each.name == DEFAULT}
    for info in plugins.providers().values():
        if provider in (None, info.name) and is_configured(info):
            table = named_default.get(info.name)
            if table is None:
                found.append(Account(info.name))
            elif not _are_same(
                info, _find_origin(info, None), _find_origin(info, table), run=False
            ):
                found.append(Account(info.name, ENVIRONMENT))
    return tuple(each for each in found if provider in (None, each.provider))


def _find_config_file(named: str | os.PathLike[str] | None) -> Path | None:
    """Find the file to read. A file that was named must exist; the default ones are optional."""
    named = named or os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    paths = [Path(FILE_NAME)]
    folder = os.environ.get("APPDATA") or os.environ.get("XDG_CONFIG_HOME")
    try:
        home = Path(folder) if folder else Path.home() / ".config"
        paths.append(home / "recordings" / FILE_NAME)
    except RuntimeError:
        pass  # the user has no home folder
    return next((path for path in paths if path.is_file()), None)


def _read_tables(path: Path) -> tuple[AccountTable, ...]:
    from recording_core.configuration.account_file import read_tables

    return read_tables(path, f"Check --config, {CONFIG_VARIABLE} or the {FILE_NAME} of this folder")


def _describe_accounts(accounts: Iterable[Account]) -> str:
    described = [f"{each.name!r} of {each.provider} ({each.place})" for each in accounts]
    return ", ".join(described) or "none"


def choose_account(
    provider: str, name: str | None = None, config: str | os.PathLike[str] | None = None
) -> Account:
    """Choose one account of a provider: by its name, else `default`, else the only one.

    The account of the environment is also chosen if nothing is configured: to connect to it raises
    an error that names the variables. Raises `ConfigurationError` if there is no such account, or
    if none is named and it is not clear which one is meant.
    """
    found = list_accounts(config, provider)
    if not found and name in (None, DEFAULT):
        return Account(provider)
    if name is not None:
        chosen = [each for each in found if each.name == name]
        if not chosen:
            raise _build_unknown_error(name, provider, config)
    else:
        chosen = [each for each in found if each.name == DEFAULT or each.source is None] or [*found]
    if len(chosen) > 1:
        raise ConfigurationError(
            f"{provider} has several accounts: name one of "
            f"{', '.join(f'{each.name!r} ({each.place})' for each in chosen)}, with --account or "
            "account="
        )
    return chosen[0]


def select_accounts(
    name: str | None = None,
    providers: Sequence[str] = (),
    config: str | os.PathLike[str] | None = None,
) -> tuple[Account, ...]:
    """Select all accounts of these providers, or of all, that have this name, or any.

    A provider that is named and not configured is selected too, as `choose_account` chooses it.
    Raises `ConfigurationError` if an account or all accounts are missing.
    """
    if not providers and name is None:
        return find_accounts(config)
    found = list_accounts(config)
    selected: list[Account] = []
    for provider in providers or (None,):
        accounts = [each for each in found if provider in (None, each.provider)]
        if provider is not None and not accounts and name in (None, DEFAULT):
            accounts = [Account(provider)]
        accounts = [each for each in accounts if name in (None, each.name)]
        if not accounts:
            raise _build_unknown_error(name, provider, config)
        selected += accounts
    return tuple(dict.fromkeys(selected))


def resolve_accounts(
    given: Iterable[Account | Provider] | None,
    argument: str,
    where: str,
    executor: Executor | None = None,
) -> tuple[Account | Provider, ...]:
    """Return the accounts that an argument gives, or all configured ones, each account once.

    Raises `TypeError` for something else, and `ConfigurationError` if there is none, if two have
    one name, or if a connected provider would be sent to an executor.
    """
    from recording_core.configuration.account_file import check_distinct

    chosen = find_accounts() if given is None else tuple(given)
    if not chosen:
        raise ConfigurationError(
            f"The argument {argument} is empty: leave it out to use all configured accounts"
        )
    accounts = tuple(merge_accounts(chosen))
    check_distinct(map(get_account_key, accounts), where)
    if executor is not None and not all(isinstance(each, Account) for each in accounts):
        raise ConfigurationError(
            "A connected provider holds credentials and cannot be sent to another process: give "
            "accounts, as rec.find_accounts() returns them"
        )
    return accounts


def _build_unknown_error(
    name: str | None, provider: str | None, config: str | os.PathLike[str] | None
) -> ConfigurationError:
    of = f" of {provider}" if provider else ""
    return ConfigurationError(
        f"No account {name!r}{of} is configured; the configured accounts are: "
        f"{_describe_accounts(list_accounts(config))}"
    )


# -- connecting -----------------------------------------------------------------------------------


def open_account(
    account: Account,
    *,
    base_url: str | None = None,
    http: HttpSettings | None = None,
    given: Mapping[str, str] = MappingProxyType({}),
    **changes: Any,
) -> Provider:
    """Connect to an account, with the settings that are given and else those of its source.

    `changes` replace fields of the account's `HttpSettings`. Raises as `Account.connect`.
    """
    from recording_core.provider.connect import build_provider
    from recording_core.transport.settings import HttpSettings

    info = plugins.get_provider_info(account.provider)
    if account.source is None:
        return build_provider(
            info,
            read_settings(info, given),
            account=account.name,
            base_url=base_url or read_base_url(info.name),
            http=evolve(http or HttpSettings(), **changes) if changes else http,
        )
    from recording_core.configuration.account_file import add_place

    table = _find_table(account)
    with add_place(str(table)):
        return build_provider(
            info,
            table.read_settings(info, given),
            account=account.name,
            base_url=base_url or table.find_base_url(info),
            http=evolve(http or table.http, **changes),
        )


def uses_environment(account: Account) -> bool:
    """Whether the credentials of an account are those of the environment.

    An account of a file uses them if its table has none. Raises `ConfigurationError`.
    """
    if account.source is None:
        return True
    return not _find_table(account).has_credential(plugins.get_provider_info(account.provider))


def _find_table(account: Account) -> AccountTable:
    path = Path(str(account.source))
    for table in _read_tables(path):
        if (table.provider, table.name) == (account.provider, account.name):
            return table
    raise ConfigurationError(
        f"{path} no longer contains {account}: the file has changed since it was read"
    )


# -- the same account under two names -------------------------------------------------------------

#: the URL of the API, and the source of each credential
_Origin = tuple[str | None, Mapping[str, "Credential"]]


def find_same_accounts(accounts: Iterable[Account]) -> dict[Account, Account]:
    """Find the accounts that have the credentials of an earlier one: account -> earlier account.

    Runs the command of a credential only if nothing else decides.
    """
    origins: dict[Account, _Origin] = {}
    same: dict[Account, Account] = {}
    for each in accounts:
        try:
            info = plugins.get_provider_info(each.provider)
            origin = _find_origin(info, None if each.source is None else _find_table(each))
        except RecordingError:
            continue  # to connect to it raises the error
        for earlier, known in origins.items():
            if earlier.provider == each.provider and _are_same(info, known, origin, run=True):
                same[each] = earlier
                break
        else:
            origins[each] = origin
    return same


def merge_accounts(accounts: Sequence[Account | T]) -> list[Account | T]:
    """Leave out accounts with the credentials of an earlier one, and log a warning for each."""
    same = find_same_accounts(each for each in accounts if isinstance(each, Account))
    for account, earlier in same.items():
        _log.warning("%s", describe_same_account(account, earlier))
    return [each for each in accounts if not isinstance(each, Account) or each not in same]


def describe_same_account(account: Account, earlier: Account) -> str:
    """Describe an account that has the credentials of an earlier one."""
    return (
        f"{account} ({account.place}) has the same credentials as account {earlier.name!r}: it is "
        f"listed and counted once, as {earlier.name!r}"
    )


def _find_origin(info: ProviderInfo, table: AccountTable | None) -> _Origin:
    """Find the origin of an account of a file, or of the environment."""
    from recording_core.configuration.credential import Credential

    base_url = read_base_url(info.name) if table is None else table.find_base_url(info)
    if table is None or not table.has_credential(info):
        return base_url, {each.name: Credential(variable=each.env) for each in info.settings}
    return base_url, table.given


def _are_same(info: ProviderInfo, one: _Origin, other: _Origin, *, run: bool) -> bool:
    """Whether two origins have the same credentials. Without `run`, no command is run."""
    if one[0] != other[0]:
        try:
            default = plugins.load_object(info, "client").default_base_url
        except PluginError:
            return False  # to connect raises the error
        first, second = ((base_url or default).rstrip("/") for base_url, _ in (one, other))
        if first != second:
            return False
    required = {each.name: each.default is None for each in info.settings if is_credential(each)}
    pairs = [(one[1].get(name), other[1].get(name), required[name]) for name in required]
    # A command may prompt the user: it is run only if the values do not differ already.
    for first, second, is_required in sorted(pairs, key=_has_command):
        if first and second and first.command == second.command != ():
            continue
        if not run and _has_command((first, second)):
            return False
        value = _read(first)
        if value != _read(second) or (is_required and not value):
            return False
    return True


def _has_command(pair: Iterable[Any]) -> bool:
    return any(getattr(each, "command", ()) for each in pair)


def _read(credential: Credential | None) -> str:
    """Read a value to compare it; empty if there is none."""
    try:
        return "" if credential is None else credential.read()
    except ConfigurationError:
        return ""
