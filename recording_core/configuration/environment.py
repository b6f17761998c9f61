"""Environment: the account of a provider that environment variables configure."""

from __future__ import annotations

import os
from collections.abc import Mapping

from recording_core.errors import ConfigurationError
from recording_core.model.capabilities import ProviderInfo, Setting


def is_credential(setting: Setting) -> bool:
    """Whether a setting belongs to one account, unlike one such as a style of authentication."""
    return setting.default is None or setting.secret


def is_configured(info: ProviderInfo) -> bool:
    """Whether the environment contains at least one credential of this provider."""
    return any(os.environ.get(each.env) for each in info.settings if is_credential(each))


def list_missing_settings(info: ProviderInfo) -> tuple[str, ...]:
    """List the environment variables that are required and not set."""
    return tuple(
        each.env for each in info.settings if each.default is None and not os.environ.get(each.env)
    )


def read_base_url(provider: str) -> str | None:
    """Read `<PROVIDER>_BASE_URL`; `None` if it is not set."""
    return os.environ.get(f"{provider.upper()}_BASE_URL") or None


def read_settings(info: ProviderInfo, given: Mapping[str, str]) -> dict[str, str]:
    """Read the settings that are not given from the environment.

    If a credential is given, only those that are required too are read, since others may belong to
    another account. Raises `ConfigurationError` if a required setting is not set.
    """
    has_credential = any(each.name in given for each in info.settings if is_credential(each))
    settings: dict[str, str] = {}
    for each in info.settings:
        value = given.get(each.name)
        if value is None:
            is_alternative = has_credential and is_credential(each) and each.default is not None
            value = (None if is_alternative else os.environ.get(each.env)) or each.default
        if value is None or (value == "" and each.default is None):
            missing = [
                each
                for each in info.settings
                if each.default is None and not (given.get(each.name) or os.environ.get(each.env))
            ]
            raise ConfigurationError(
                f"{info.name} needs {' and '.join(each.name for each in missing)}. Pass "
                f"{'it' if len(missing) == 1 else 'them'} to connect(), or set "
                f"{' and '.join(each.env for each in missing)}"
            )
        settings[each.name] = value
    return settings
