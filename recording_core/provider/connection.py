"""What does a provider need to know of an account? Whose, where, how, and with what credentials."""

from __future__ import annotations

from collections.abc import Mapping

from recording_core.clock import Clock, SystemClock
from recording_core.model.capabilities import ProviderInfo
from recording_core.transport.settings import HttpSettings

__all__ = ["Connection"]


class Connection:
    """What `connect` hands to a provider: whose account, where, how, and with what credentials.

    `settings` has every `Setting` of the plugin's `ProviderInfo` by name; those that may stay
    unset are empty strings. Neither printed nor pickled.
    """

    __slots__ = ("account", "base_url", "clock", "http", "info", "settings")

    def __init__(
        self,
        info: ProviderInfo,
        *,
        settings: Mapping[str, str],
        account: str = "default",
        base_url: str | None = None,
        http: HttpSettings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.info = info
        self.account = account
        self.base_url = base_url
        self.http = http or HttpSettings()
        self.settings = settings
        self.clock = clock or SystemClock()

    def secrets(self) -> list[str]:
        """The values that no text may show."""
        return [self.settings[setting.name] for setting in self.info.settings if setting.secret]

    def __repr__(self) -> str:
        return f"<Connection to {self.info.name} account={self.account!r}>"

    def __reduce__(self) -> str:
        raise TypeError("a connection holds credentials and is not pickled; connect anew there")
