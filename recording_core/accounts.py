"""Which accounts are there, and where are their credentials? `recordings.toml`, or the environment.

    [[account]]
    provider = "acme"
    name = "support"                                      # "default" where it is left out
    base_url = "https://api.acme.example"                 # the vendor's own where it is left out
    http = { total_timeout = 30, workers = 4 }            # fields of `HttpSettings`
    key = { command = ["keyring", "get", "acme", "key"] } # or { env = "SUPPORT_ACME_KEY" }

The file is named by `--config`, else by RECORDINGS_CONFIG, else it is ./recordings.toml, else
recordings/recordings.toml in the user's configuration folder. Without any, each installed provider
whose variables are set is one account.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, fields, frozen

from recording_core.errors import ConfigurationError, RecordingError
from recording_core.model.capabilities import ProviderInfo, Setting
from recording_core.plugins import registry as plugins
from recording_core.provider.validation import check_setting
from recording_core.transport.settings import HttpSettings, MediaHosts

if TYPE_CHECKING:
    from recording_core.provider.provider import Provider

__all__ = [
    "CONFIG_VARIABLE",
    "FILE_NAME",
    "Account",
    "check_distinct",
    "configured",
    "find_accounts",
    "missing_settings",
]

FILE_NAME = "recordings.toml"
CONFIG_VARIABLE = "RECORDINGS_CONFIG"
#: Seconds that a command may take to print a credential; it may have to ask somebody.
COMMAND_TIMEOUT = 60.0

#: The keys of an account's table that are no setting of its provider.
_OWN_KEYS = frozenset({"provider", "name", "base_url", "http", "allow_clear"})
_WAYS = '{ env = "VARIABLE" } or { command = ["keyring", "get", "..."] }'


@frozen
class Account:
    """A vendor's account by its name, and where its credentials are found; it holds none itself.

    Picklable: whoever connects, in whichever process, reads the same file or environment.
    `source` is the file's absolute path; None is the environment.
    """

    provider: str
    name: str = "default"
    source: str | None = None

    def connect(self) -> Provider:
        """Find the credentials and connect. Sends nothing to the vendor.

        Raises `ConfigurationError` for what is missing or malformed, and `PluginError`.
        """
        from recording_core.provider.connect import connect

        if self.source is None:
            return connect(self.provider, account=self.name)
        for table in _tables(Path(self.source)):
            if (table.provider, table.name) == (self.provider, self.name):
                return table.connect()
        raise ConfigurationError(f"{self.source} no longer has {self}: it was changed meanwhile")

    def __str__(self) -> str:
        return f"account {self.name!r} of {self.provider}"


def find_accounts(config: str | os.PathLike[str] | None = None) -> tuple[Account, ...]:
    """Every account of the configuration file, or else of the environment, in its order.

    Finds no credential and runs no command yet. Raises `ConfigurationError` for a file that cannot
    be read or understood, and where there is no account at all.
    """
    path = _config_file(config)
    if path is not None:
        if path == Path(FILE_NAME):
            _check_owner(path)  # nobody named it: it lies where one happens to be
        source = str(path.absolute())
        return tuple(Account(each.provider, each.name, source) for each in _tables(path))
    found = tuple(Account(info.name) for info in plugins.providers().values() if configured(info))
    if not found:
        raise ConfigurationError(
            f"no account is configured: write a {FILE_NAME} and name it with --config or "
            f"{CONFIG_VARIABLE}, or set a vendor's variables; `recordings doctor` names them"
        )
    return found


def configured(info: ProviderInfo) -> bool:
    """Whether the environment holds any credential of this vendor's, if not each."""
    return any(os.environ.get(each.env) for each in info.settings if not each.default)


def missing_settings(info: ProviderInfo) -> tuple[str, ...]:
    """The variables that must be set and are not."""
    return tuple(
        each.env for each in info.settings if each.default is None and not os.environ.get(each.env)
    )


# -- the file -------------------------------------------------------------------------------------


def _config_file(named: str | os.PathLike[str] | None) -> Path | None:
    """The file to read; one that was named has to be there, the others may be."""
    named = named or os.environ.get(CONFIG_VARIABLE) or None
    if named is not None:
        return Path(named)
    return next((path for path in _usual_places() if path.is_file()), None)


def _usual_places() -> Iterable[Path]:
    yield Path(FILE_NAME)
    folder = os.environ.get("APPDATA") or os.environ.get("XDG_CONFIG_HOME")
    try:
        yield (Path(folder) if folder else Path.home() / ".config") / "recordings" / FILE_NAME
    except RuntimeError:
        return  # nobody's home is known here


@frozen
class _Table:
    """One `[[account]]`, checked as far as that needs no credential."""

    path: Path
    provider: str
    name: str
    base_url: str | None
    http: HttpSettings
    #: setting -> how its value is found
    given: Mapping[str, Callable[[], str]] = field(repr=False)

    def connect(self) -> Provider:
        from recording_core.provider.connect import connect

        where = f"{self.path}: account {self.name!r} of {self.provider}"
        values = self._values(plugins.provider_info(self.provider), where)
        try:
            return connect(
                self.provider,
                account=self.name,
                base_url=self.base_url,
                http=self.http,
                **values,
            )
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}: {error.message}") from None

    def _values(self, info: ProviderInfo, where: str) -> dict[str, str]:
        """Every setting. An account that names one credential gets none from the environment:
        it would be another account's."""
        own = any(each.name in self.given for each in info.settings if not each.default)
        values: dict[str, str] = {}
        for setting in info.settings:
            if setting.name in self.given:
                values[setting.name] = _found(self.given[setting.name], info.name, setting, where)
            elif own and setting.default is None:
                raise ConfigurationError(f"{where} lacks {setting.name}; write it as {_WAYS}")
            elif own and setting.default is not None:
                values[setting.name] = setting.default
        return values


def _found(find: Callable[[], str], provider: str, setting: Setting, where: str) -> str:
    try:
        return check_setting(provider, setting.name, find())
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}, {setting.name} {error.message}") from None


def _tables(path: Path) -> tuple[_Table, ...]:
    """The accounts that a file names."""
    document = _document(path)
    unknown = sorted(set(document) - {"account"})
    if unknown:
        raise ConfigurationError(
            f"{path} has unknown keys ({', '.join(unknown)}); it may have [[account]] tables alone"
        )
    tables = document.get("account")
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise ConfigurationError(f"{path} has no [[account]] table (with two brackets each side)")
    found = tuple(_table(path, number, each) for number, each in enumerate(tables, 1))
    check_distinct(((each.provider, each.name) for each in found), str(path))
    return found


def check_distinct(accounts: Iterable[tuple[str, str]], where: str) -> None:
    """Raises `ConfigurationError` for two accounts of one name at one vendor."""
    seen: set[tuple[str, str]] = set()
    for provider, name in accounts:
        if (provider, name) in seen:
            raise ConfigurationError(
                f"{where} has two accounts {name!r} of {provider}: give each a name of its own"
            )
        seen.add((provider, name))


def _document(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}. It is where --config, {CONFIG_VARIABLE} or "
            "this folder says that the accounts are"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        why = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "it is not UTF-8"
        raise ConfigurationError(f"{path} is no TOML: {why}") from None
    except RecursionError:
        raise ConfigurationError(f"{path} is no configuration: it is nested too deeply") from None


def _check_owner(path: Path) -> None:
    """It names commands that are run: where it is only found, nobody else may have written it."""
    if not hasattr(os, "getuid"):
        return
    status = path.stat()
    if status.st_uid not in (os.getuid(), 0) or status.st_mode & stat.S_IWOTH:
        raise ConfigurationError(
            f"{path} may have been written by somebody else, and it names commands to run: name it "
            "with --config, if you trust it, or own it and let others only read it (chmod o-w)"
        )


def _table(path: Path, number: int, table: Mapping[str, Any]) -> _Table:
    where = f"{path}: account number {number}"
    provider, name = _word(table, "provider", where), _word(table, "name", where, "default")
    where = f"{path}: account {name!r} of {provider}"
    info = _info(provider, where)
    settings = {each.name: each for each in info.settings} if info else {}
    unknown = sorted(set(table) - _OWN_KEYS - set(settings)) if info else []
    if unknown:
        raise ConfigurationError(
            f"{where} has unknown keys ({', '.join(unknown)}); it may have "
            f"{', '.join([*settings, *sorted(_OWN_KEYS)])}"
        )
    clear = table.get("allow_clear", False)
    if not isinstance(clear, bool):
        raise ConfigurationError(f"{where}: allow_clear must be true or false")
    return _Table(
        path,
        provider,
        name,
        _word(table, "base_url", where, "") or None,
        _http(table.get("http", {}), where),
        {
            each.name: _way(each, table[each.name], clear, where)
            for each in settings.values()
            if each.name in table
        },
    )


def _info(provider: str, where: str) -> ProviderInfo | None:
    """None for a provider that is there and broken: that one account then says so."""
    if provider in plugins.load_registry().broken:
        return None
    try:
        return plugins.provider_info(provider)
    except RecordingError as error:
        raise ConfigurationError(f"{where}: {error.message}") from None


def _word(table: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or not (value.strip() or value == default):
        raise ConfigurationError(f'{where} needs {key} = "..."')
    if not value.isprintable():
        raise ConfigurationError(f"{where} has a {key} with control characters")
    return value


def _http(table: Any, where: str) -> HttpSettings:
    names = [each.name for each in fields(HttpSettings)]
    if not isinstance(table, dict) or not set(table) <= set(names):
        raise ConfigurationError(f"{where}: http is a table that may have {', '.join(names)}")
    given = dict(table)
    try:
        if "media_hosts" in given:
            given["media_hosts"] = MediaHosts(given["media_hosts"])
        if given.get("rate") == "unlimited":
            given["rate"] = None
        return HttpSettings(**given)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{where}: in http, {error}") from None


# -- one credential -------------------------------------------------------------------------------


def _way(setting: Setting, value: Any, clear: bool, where: str) -> Callable[[], str]:
    """How a setting's value is found, once it is needed. The value itself is never quoted."""
    if isinstance(value, str):
        if setting.secret and not clear:
            raise ConfigurationError(
                f"{where} has {setting.name} in clear: write it as {_WAYS}, or say "
                "allow_clear = true in that account's table"
            )
        return lambda: value
    if isinstance(value, dict) and set(value) == {"env"} and isinstance(value["env"], str):
        return lambda: _from_variable(value["env"])
    if isinstance(value, dict) and set(value) in ({"command"}, {"command", "timeout"}):
        seconds = value.get("timeout", COMMAND_TIMEOUT)
        words = _words(value["command"])
        if words and type(seconds) in (int, float) and seconds > 0:
            return lambda: _from_command(words, seconds)
    raise ConfigurationError(f"{where}: write {setting.name} as {_WAYS}")


def _from_variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ConfigurationError(f"is to come from the variable {name}, which is not set: set it")
    return value


def _words(command: Any) -> list[str]:
    """A command's words, also of one that was written as one text; empty where it is none."""
    import shlex

    if isinstance(command, str):
        try:
            return shlex.split(command)
        except ValueError:
            return []
    if isinstance(command, list) and all(isinstance(each, str) for each in command):
        return command
    return []


def _from_command(words: list[str], seconds: float) -> str:
    """What a command prints. No shell; its own complaints go to standard error as they are."""
    import subprocess

    # Only the program is named: its arguments may hold what nobody should read.
    told = f"is to come from the command {words[0]!r}, which"
    try:
        process = subprocess.Popen(  # noqa: S603  # that is what the file is for
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "has a null character"
        raise ConfigurationError(f"{told} cannot be run: {why}") from None
    with process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise ConfigurationError(
                f"{told} did not end within {seconds:g} seconds: run it by hand, does it ask for "
                "something? `timeout` beside `command` gives it longer"
            ) from None
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise ConfigurationError(
            f"{told} ended with exit code {process.returncode}: run it by hand to see why"
        )
    try:
        value = output.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{told} printed what is no text") from None
    if not value:
        raise ConfigurationError(f"{told} printed nothing: run it by hand to see why")
    return value
