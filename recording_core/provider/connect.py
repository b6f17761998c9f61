"""Connect: find a provider's plugin and credentials, and build its client."""

from __future__ import annotations

import os

from recording_core.errors import ConfigurationError, PluginError
from recording_core.plugins import registry as plugins
from recording_core.provider.connection import Connection
from recording_core.provider.provider import Provider
from recording_core.provider.validation import check_setting
from recording_core.transport.settings import HttpSettings


def connect(
    provider: str,
    *,
    account: str = "default",
    base_url: str | None = None,
    http: HttpSettings | None = None,
    **credentials: str | None,
) -> Provider:
    """Connect to a vendor account, with credentials by keyword or from the environment.

    Sends no request.

    Args:
        provider: the name of an installed provider, as in `providers()`
        account: the name that recordings, sessions and copies of this account carry
        base_url: the URL of the API, else `<PROVIDER>_BASE_URL`, else the vendor's
        http: timeouts, retries, rate and media hosts
        **credentials: the provider's settings by name, else from their environment variables

    Raises:
        ConfigurationError: a setting is missing, unknown or malformed
        PluginError: the provider is not installed, or its plugin is broken
    """
    info = plugins.get_provider_info(provider)
    unknown = sorted(set(credentials) - {setting.name for setting in info.settings})
    if unknown:
        raise ConfigurationError(
            f"{provider} has no setting {', '.join(unknown)}; its settings are "
            f"{', '.join(setting.name for setting in info.settings)}"
        )
    settings: dict[str, str] = {}
    for setting in info.settings:
        value = credentials.get(setting.name)
        if value is None:
            value = os.environ.get(setting.env) or setting.default
        if value is None or (value == "" and setting.default is None):
            raise ConfigurationError(
                f"{provider} needs {setting.name}: pass it to connect(), or set {setting.env}"
            )
        settings[setting.name] = check_setting(provider, setting.name, value)
    if not isinstance(account, str) or not account.strip():
        raise ConfigurationError("account must be a name, such as 'default'")
    client = plugins.load_object(info, "client")
    if not (isinstance(client, type) and issubclass(client, Provider)):
        raise PluginError(
            f"The plugin of provider {provider!r} names {info.client} as its client, which is not "
            "a subclass of Provider"
        )
    base_url = base_url or os.environ.get(f"{provider.upper()}_BASE_URL") or None
    return client(
        Connection(info, settings=settings, account=account, base_url=base_url, http=http)
    )
