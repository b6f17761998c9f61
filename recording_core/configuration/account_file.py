"""Account file: read `recordings.toml`, and check who may have written it.

[[account]]
provider = "acme"
name = "support"                                      # optional; "default" without it
base_url = "https://api.acme.example"                 # optional; the vendor's own without it
http = { total_timeout = 30, workers = 4 }            # fields of `HttpSettings`
key = { command = ["keyring", "get", "acme", "key"] } # or { env = "SUPPORT_ACME_KEY" }
"""

from __future__ import annotations

import functools
import logging
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import fields, frozen

from recording_core.configuration.credential import (
    CREDENTIAL_FORMS,
    Credential,
    parse_credential,
)
from recording_core.configuration.environment import is_credential, read_base_url, read_settings
from recording_core.errors import ConfigurationError, PluginError
from recording_core.model.capabilities import ProviderInfo
from recording_core.plugins import registry as plugins
from recording_core.transport.settings import HttpSettings, MediaHosts

_log = logging.getLogger("recording_core.accounts")

#: The keys of an account's table that are not settings of its provider, sorted.
_OWN_KEYS = ("allow_clear", "base_url", "http", "name", "provider")


@frozen
class AccountTable:
    """One `[[account]]` table, checked as far as possible without its credentials.

    Attributes:
        path: the file
        provider: the provider's name
        name: the account's name
        base_url: the URL of the API; `None` for the vendor's own
        http: timeouts, retries, rate and media hosts
        given: setting -> the source of its value
    """

    path: Path
    provider: str
    name: str
    base_url: str | None
    http: HttpSettings
    given: Mapping[str, Credential]

    def __str__(self) -> str:
        return f"{self.path}: account {self.name!r} of {self.provider}"

    def has_credential(self, info: ProviderInfo) -> bool:
        """Whether it contains a credential. If it contains none, it uses the environment's."""
        return any(each.name in self.given for each in info.settings if is_credential(each))

    def find_base_url(self, info: ProviderInfo) -> str | None:
        """Return the URL of the API. It has the same source as the credentials."""
        if self.base_url is None and not self.has_credential(info):
            return read_base_url(info.name)
        return self.base_url

    def read_settings(self, info: ProviderInfo, given: Mapping[str, str]) -> dict[str, str]:
        """Read the settings that are not given. Raises `ConfigurationError`.

        If the table contains a credential, no other is read from the environment, since it may
        belong to another account.
        """
        values = dict(given)
        for name, credential in self.given.items():
            if name not in values:
                with add_place(f"{name} cannot be read"):
                    values[name] = credential.read()
        if not self.has_credential(info):
            if self.base_url is not None:
                raise ConfigurationError(
                    f"it has a base_url and no credentials, and those of the environment are not "
                    f"sent to a base_url of a file: write them as {CREDENTIAL_FORMS}"
                )
            return read_settings(info, values)
        for setting in info.settings:
            if setting.name not in values:
                if setting.default is None:
                    raise ConfigurationError(
                        f"{setting.name} is missing: write it as {CREDENTIAL_FORMS}"
                    )
                values[setting.name] = setting.default
        return values


@contextmanager
def add_place(place: str) -> Iterator[None]:
    """Put the place in the file before the text of a `ConfigurationError`."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error.message}") from None


def read_tables(path: Path, advice: str) -> tuple[AccountTable, ...]:
    """Read the accounts of a file. Reads no credential and runs no command.

    Raises `ConfigurationError` if the file is malformed, or unreadable (with `advice`), or if
    another user may have written what it makes this program do.
    """
    document, status = _read_document(path, advice)
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
    if status is not None:
        _check_permissions(path, status, found)
    return found


def check_distinct(accounts: Iterable[tuple[str, str]], where: str) -> None:
    """Raise `ConfigurationError` if two accounts of one provider have the same name."""
    for (provider, name), count in Counter(accounts).items():
        if count > 1:
            raise ConfigurationError(
                f"{where} has two accounts {name!r} of {provider}: give each its own name"
            )


def _read_document(path: Path, advice: str) -> tuple[dict[str, Any], os.stat_result | None]:
    """Read a file, and its owner and permissions, which not every system has."""
    import tomllib

    try:
        with path.open("rb") as file:
            # Of the open file: another file may have its name a moment later.
            status = os.fstat(file.fileno()) if hasattr(os, "getuid") else None
            return tomllib.loads(file.read().decode("utf-8-sig")), status
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}. {advice}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        why = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "it is not UTF-8"
        raise ConfigurationError(f"{path} is not valid TOML: {why}") from None
    except RecursionError:
        raise ConfigurationError(f"{path} is not valid: it is nested too deeply") from None


# -- permissions ----------------------------------------------------------------------------------


def _check_permissions(path: Path, status: os.stat_result, tables: Iterable[AccountTable]) -> None:
    """Check what others could make this program do, or read, by way of the file.

    A command runs as this user; a variable or a command's output goes to the `base_url`.
    """
    shared = stat.S_IRWXO if _is_private_group(status) else stat.S_IRWXG | stat.S_IRWXO
    mode = status.st_mode & shared
    is_foreign = status.st_uid not in (os.getuid(), 0)
    if is_foreign or mode & (stat.S_IWGRP | stat.S_IWOTH):
        for table in tables:
            if found := _find_dangers(table):
                raise ConfigurationError(
                    f"{table} has {' and '.join(found)}, and another user may write this file: "
                    "a change of it could send your credentials elsewhere. Check the file, become "
                    f"its owner, and remove the write permission of others (chmod go-w {path})"
                )
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        for table in tables:
            if any(each.text is not None for each in _list_secrets(table)):
                _warn_of_readers(
                    f"{table} has a secret in clear text, and other users may read this file: "
                    f"remove their permission (chmod go= {path})"
                )


def _is_private_group(status: os.stat_result) -> bool:
    """Whether the file's group has its owner as its only member.

    Many systems give each user such a group and make new files writable by the group (pam_umask,
    option `usergroups`, whose conditions these are).
    """
    import grp
    import pwd

    try:
        owner = pwd.getpwuid(status.st_uid)
        group = grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return (
        owner.pw_uid != 0
        and owner.pw_gid == group.gr_gid
        and owner.pw_name == group.gr_name
        and set(group.gr_mem) <= {owner.pw_name}
    )


def _find_dangers(table: AccountTable) -> list[str]:
    """Find the parts of a table that can carry a credential away."""
    parts = {
        "a command": any(each.command for each in table.given.values()),
        "the name of an environment variable": any(
            each.variable is not None for each in table.given.values()
        ),
        "a base_url": table.base_url is not None,
        "verify_tls = false": not table.http.verify_tls,
    }
    return [part for part, is_there in parts.items() if is_there]


def _list_secrets(table: AccountTable) -> list[Credential]:
    info = _find_info(table.provider)
    names = {each.name for each in info.settings if each.secret} if info else set()
    return [each for name, each in table.given.items() if name in names]


@functools.cache
def _warn_of_readers(text: str) -> None:
    """Log a warning once in each process, although the file is read for each connection."""
    _log.warning("%s", text)


# -- tables ---------------------------------------------------------------------------------------


def _check_table(path: Path, number: int, table: Mapping[str, Any]) -> AccountTable:
    with add_place(f"{path}: account number {number}"):
        provider = _read_text(table, "provider")
        name = _read_text(table, "name", "default")
    with add_place(f"{path}: account {name!r} of {provider}"):
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
        return AccountTable(
            path,
            provider,
            name,
            _read_text(table, "base_url", "") or None,
            _read_http(table.get("http", {})),
            {
                key: parse_credential(settings[key], table[key], allow_clear=clear)
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
    names = [each.name for each in fields(HttpSettings) if each.name != "on_exchange"]
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
