"""Connect: find a provider's plugin and credentials, and build its client."""

from __future__ import annotations

import os

from recording_core.errors import ConfigurationError, PluginError
from recording_core.plugins import registry as plugins
from recording_core.provider.connection import Connection
from recording_core.provider.provider import Provider
from recording_core.provider.validation import check_setting
from recording_core.transport.settings import HttpSettings

__all__ = ["connect"]


def connect(
    provider: str,
    *,
    account: str = "default",
    base_url: str | None = None,
    http: HttpSettings | None = None,
    **credentials: str | None,
) -> Provider:
    """Connect to an installed provider, with credentials by keyword or from the environment.

    Sends nothing.

    Args:
        provider: its name, as `providers()` has it
        account: the word that its recordings, sessions and copies carry
        base_url: another address of the API; else `<PROVIDER>_BASE_URL`, else the vendor's
        http: time limits, retries, rate
        **credentials: by the names of the provider's settings; else their environment variables

    Raises:
        ConfigurationError: a setting is missing, unknown or malformed
        PluginError: the provider is not installed, or broken
    """
    info = plugins.provider_info(provider)
    unknown = sorted(set(credentials) - {setting.name for setting in info.settings})
    if unknown:
        takes = ", ".join(setting.name for setting in info.settings)
        raise ConfigurationError(
            f"{provider} takes no setting {', '.join(unknown)}; it takes {takes}"
        )
    settings: dict[str, str] = {}
    for setting in info.settings:
        value = credentials.get(setting.name)
        if value is None:
            value = os.environ.get(setting.env) or setting.default
        if value is None or (value == "" and setting.default is None):
            raise ConfigurationError(
                f"{provider} needs {setting.name}; give it to connect(), or set {setting.env}"
            )
        settings[setting.name] = check_setting(provider, setting.name, value)
    if not isinstance(account, str) or not account.strip():
        raise ConfigurationError("account must be a name, such as 'default'")
    client = plugins.load_object(info, "client")
    if not (isinstance(client, type) and issubclass(client, Provider)):
        raise PluginError(f"provider {provider!r} names {info.client} as its client: no Provider")
    base_url = base_url or os.environ.get(f"{provider.upper()}_BASE_URL") or None
    connected: Provider = client(
        Connection(info, settings=settings, account=account, base_url=base_url, http=http)
    )
    return connected
