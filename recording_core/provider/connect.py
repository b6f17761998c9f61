"""Connect: build a provider's client from the settings of one account."""

from __future__ import annotations

from collections.abc import Mapping

from recording_core.errors import PluginError
from recording_core.model.capabilities import ProviderInfo
from recording_core.plugins import registry as plugins
from recording_core.provider.connection import Connection
from recording_core.provider.provider import Provider
from recording_core.provider.validation import check_setting
from recording_core.transport.settings import HttpSettings


def build_provider(
    info: ProviderInfo,
    settings: Mapping[str, str],
    *,
    account: str,
    base_url: str | None,
    http: HttpSettings | None,
) -> Provider:
    """Build the client of an account. Sends no request.

    Raises `ConfigurationError` if a setting is malformed, and `PluginError` for a broken plugin.
    """
    checked = {name: check_setting(info.name, name, value) for name, value in settings.items()}
    client = plugins.load_object(info, "client")
    if not (isinstance(client, type) and issubclass(client, Provider)):
        raise PluginError(
            f"The plugin of provider {info.name!r} names {info.client} as its client, which is not "
            "a subclass of Provider"
        )
    return client(Connection(info, settings=checked, account=account, base_url=base_url, http=http))
