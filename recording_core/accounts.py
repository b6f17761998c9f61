"""Accounts: the configured accounts, from `recordings.toml` or from the environment.

    [[account]]
    provider = "acme"
    name = "support"                                      # optional; "default" without it
    base_url = "https://api.acme.example"                 # optional; the vendor's own without it
    http = { total_timeout = 30, workers = 4 }            # fields of `HttpSettings`
    key = { command = ["keyring", "get", "acme", "key"] } # or { env = "SUPPORT_ACME_KEY" }

The file is the one that `--config` or RECORDINGS_CONFIG names, else ./recordings.toml, else
recordings/recordings.toml in the user's configuration folder. Without a file, each installed
provider whose environment variables are set is one account.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, fields, frozen

from recording_core.errors import ConfigurationError, PluginError
from recording_core.model.capabilities import ProviderInfo, Setting
from recording_core.plugins import registry as plugins
from recording_core.transport.settings import HttpSettings, MediaHosts

if TYPE_CHECKING:
    from recording_core.provider.provider import Provider

FILE_NAME = "recordings.toml"
CONFIG_VARIABLE = "RECORDINGS_CONFIG"
#: Seconds that a command may take to print a credential; it may prompt the user.
COMMAND_TIMEOUT = 60.0

#: The keys of an account's table that are not settings of its provider, sorted.
_OWN_KEYS = ("allow_clear", "base_url", "http", "name", "provider")
_CREDENTIAL_FORMS = '{ env = "VARIABLE" } or { command = ["keyring", "get", "..."] }'


@frozen
class Account:
    """A configured account: its name, and the source of its credentials, but no credentials.

    An account can be pickled. The process that connects reads the same file or environment.

    Attributes:
        provider: the provider's name
        name: the account's name
        source: the absolute path of the configuration file; `None` for the environment
    """

    provider: str
    name: str = "default"
    source: str | None = None

    def connect(self) -> Provider:
        """Read the credentials and connect. Sends nothing to the vendor.

        Raises `ConfigurationError` if a setting is missing or malformed, and `PluginError` if the
        provider cannot be used.
        """
        from recording_core.provider.connect import connect

        if self.source is None:
            return connect(self.provider, account=self.name)
        for table in _read_tables(Path(self.source)):
            if (table.provider, table.name) == (self.provider, self.name):
                return table.connect()
        raise ConfigurationError(
            f"{self.source} no longer contains {self}: the file has changed since it was read"
        )

    def __str__(self) -> str:
        return f"account {self.name!r} of {self.provider}"


def find_accounts(config: str | os.PathLike[str] | None = None) -> tuple[Account, ...]:
    """List the accounts of the configuration file, in its order, or else of the environment.

    Reads no credential and runs no command. Raises `ConfigurationError` if the file cannot be read,
    or if no account is configured.
    """
    path = _find_config_file(config)
    if path is not None:
        if path == Path(FILE_NAME):
            _check_owner(path)  # found in the current folder, which may belong to another user
        source = str(path.absolute())
        return tuple(Account(each.provider, each.name, source) for each in _read_tables(path))
    found = tuple(
        Account(info.name) for info in plugins.providers().values() if is_configured(info)
    )
    if not found:
        raise ConfigurationError(
            f"No account is configured: write a {FILE_NAME} and name it with --config or "
            f"{CONFIG_VARIABLE}, or set a vendor's variables; `recordings doctor` lists them"
        )
    return found


def is_configured(info: ProviderInfo) -> bool:
    """Whether the environment contains at least one credential of this provider."""
    return any(os.environ.get(each.env) for each in info.settings if not each.default)


def list_missing_settings(info: ProviderInfo) -> tuple[str, ...]:
    """List the environment variables that are required and not set."""
    return tuple(
        each.env for each in info.settings if each.default is None and not os.environ.get(each.env)
    )


# -- the file -------------------------------------------------------------------------------------


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


@frozen
class _Table:
    """One `[[account]]` table, checked as far as possible without its credentials."""

    path: Path
    provider: str
    name: str
    base_url: str | None
    http: HttpSettings
    #: setting -> a function that reads its value
    given: Mapping[str, Callable[[], str]] = field(repr=False)

    def connect(self) -> Provider:
        from recording_core.provider.connect import connect

        with _add_place(f"{self.path}: account {self.name!r} of {self.provider}"):
            values = self._read_values(plugins.get_provider_info(self.provider))
            return connect(
                self.provider, account=self.name, base_url=self.base_url, http=self.http, **values
            )

    def _read_values(self, info: ProviderInfo) -> dict[str, str]:
        """Read the values of the settings.

        If the table contains at least one credential, the others are not read from the environment,
        since those may belong to another account.
        """
        has_credential = any(each.name in self.given for each in info.settings if not each.default)
        values: dict[str, str] = {}
        for setting in info.settings:
            if setting.name in self.given:
                with _add_place(f"{setting.name} cannot be read"):
                    values[setting.name] = self.given[setting.name]()
            elif has_credential:
                if setting.default is None:
                    raise ConfigurationError(
                        f"{setting.name} is missing: write it as {_CREDENTIAL_FORMS}"
                    )
                values[setting.name] = setting.default
        return values


@contextmanager
def _add_place(place: str) -> Iterator[None]:
    """Put the place in the file before the text of a `ConfigurationError`."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error.message}") from None


def _read_tables(path: Path) -> tuple[_Table, ...]:
    document = _read_document(path)
    unknown = sorted(set(document) - {"account"})
    if unknown:
        raise ConfigurationError(
            f"{path} has unknown keys ({', '.join(unknown)}); only [[account]] tables are allowed"
        )
    tables = document.get("account")
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise ConfigurationError(
            f"{path} has no [[account]] table (with two brackets on each side)"
        )
    found = tuple(_check_table(path, number, each) for number, each in enumerate(tables, 1))
    check_distinct(((each.provider, each.name) for each in found), str(path))
    return found


def check_distinct(accounts: Iterable[tuple[str, str]], where: str) -> None:
    """Raise `ConfigurationError` if two accounts of one provider have the same name."""
    for (provider, name), count in Counter(accounts).items():
        if count > 1:
            raise ConfigurationError(
                f"{where} has two accounts {name!r} of {provider}: give each its own name"
            )


def _read_document(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}. Check --config, {CONFIG_VARIABLE} or the "
            f"{FILE_NAME} of this folder"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        why = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "it is not UTF-8"
        raise ConfigurationError(f"{path} is not valid TOML: {why}") from None
    except RecursionError:
        raise ConfigurationError(f"{path} is not valid: it is nested too deeply") from None


def _check_owner(path: Path) -> None:
    """Check that no other user can have written a file that was found, since it has commands."""
    if not hasattr(os, "getuid"):
        return
    status = path.stat()
    if status.st_uid not in (os.getuid(), 0) or status.st_mode & stat.S_IWOTH:
        raise ConfigurationError(
            f"{path} may have been written by another user, and it contains commands to run. If "
            "you trust it, name it with --config; or become its owner and remove the write "
            "permission of others (chmod o-w)"
        )


def _check_table(path: Path, number: int, table: Mapping[str, Any]) -> _Table:
    with _add_place(f"{path}: account number {number}"):
        provider = _read_text(table, "provider")
        name = _read_text(table, "name", "default")
    with _add_place(f"{path}: account {name!r} of {provider}"):
        info = _find_info(provider)
        settings = {each.name: each for each in info.settings} if info else {}
        unknown = sorted({*table} - {*_OWN_KEYS} - {*settings}) if info else []
        if unknown:
            raise ConfigurationError(
                f"it has unknown keys ({', '.join(unknown)}); allowed are "
                f"{', '.join([*settings, *_OWN_KEYS])}"
            )
        clear = table.get("allow_clear", False)
        if not isinstance(clear, bool):
            raise ConfigurationError("allow_clear must be true or false")
        return _Table(
            path,
            provider,
            name,
            _read_text(table, "base_url", "") or None,
            _read_http(table.get("http", {})),
            {
                key: _make_reader(settings[key], table[key], clear)
                for key in settings
                if key in table
            },
        )


def _find_info(provider: str) -> ProviderInfo | None:
    """Find the provider. Returns `None` for a broken one, which raises when it connects."""
    if provider in plugins.load_registry().broken:
        return None
    try:
        return plugins.get_provider_info(provider)
    except PluginError as error:
        raise ConfigurationError(error.message) from None


def _read_text(table: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or not (value.strip() or value == default):
        raise ConfigurationError(f'it needs {key} = "..."')
    if not value.isprintable():
        raise ConfigurationError(f"it has control characters in {key}")
    return value


def _read_http(table: Any) -> HttpSettings:
    names = [each.name for each in fields(HttpSettings)]
    if not isinstance(table, dict) or not set(table) <= set(names):
        raise ConfigurationError(f"http must be a table with keys of {', '.join(names)}")
    given = dict(table)
    try:
        if "media_hosts" in given:
            given["media_hosts"] = MediaHosts(given["media_hosts"])
        if given.get("rate") == "unlimited":
            given["rate"] = None
        return HttpSettings(**given)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"in http, {error}") from None


# -- credentials ----------------------------------------------------------------------------------


def _make_reader(setting: Setting, value: Any, clear: bool) -> Callable[[], str]:
    """Make a function that reads a setting when it is needed. Errors never quote the value."""
    if isinstance(value, str):
        if setting.secret and not clear:
            raise ConfigurationError(
                f"{setting.name} is in clear text: write it as {_CREDENTIAL_FORMS}, or set "
                "allow_clear = true in the table of that account"
            )
        return lambda: value
    if isinstance(value, dict) and set(value) == {"env"} and isinstance(value["env"], str):
        return lambda: _read_variable(value["env"])
    if isinstance(value, dict) and set(value) in ({"command"}, {"command", "timeout"}):
        seconds = value.get("timeout", COMMAND_TIMEOUT)
        words = _split_command(value["command"])
        if words and type(seconds) in (int, float) and seconds > 0:
            return lambda: _run_command(words, seconds)
    raise ConfigurationError(f"write {setting.name} as {_CREDENTIAL_FORMS}")


def _read_variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ConfigurationError(f"the environment variable {name} is not set")
    return value


def _split_command(command: Any) -> list[str]:
    """Split a command, given as a list or as one text, into words. Empty if it is malformed."""
    import shlex

    if isinstance(command, str):
        with suppress(ValueError):
            return shlex.split(command)
    if isinstance(command, list) and all(isinstance(each, str) for each in command):
        return command
    return []


def _run_command(words: list[str], seconds: float) -> str:
    """Return what a command prints, without a shell. Its standard error is passed through."""
    import subprocess

    # Messages contain the program only, since its arguments may be confidential.
    command = f"the command {words[0]!r}"
    try:
        process = subprocess.run(  # noqa: S603  # the file exists to name commands
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"{command} did not end within {seconds:g} seconds: run it by hand to see whether it "
            "prompts for something, or set a longer `timeout` next to `command`"
        ) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it contains a null character"
        raise ConfigurationError(f"{command} cannot be run: {why}") from None
    if process.returncode:
        raise ConfigurationError(
            f"{command} ended with exit code {process.returncode}: run it by hand to see why"
        )
    try:
        value = process.stdout.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{command} printed bytes that are not UTF-8 text") from None
    if not value:
        raise ConfigurationError(f"{command} printed nothing: run it by hand to see why")
    return value
