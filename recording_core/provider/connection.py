"""Connection: the account, URL, HTTP settings and credentials that a provider is built from."""

from __future__ import annotations

from collections.abc import Mapping

from recording_core.clock import Clock, SystemClock
from recording_core.model.capabilities import ProviderInfo
from recording_core.transport.settings import HttpSettings


class Connection:
    """The argument of `Provider.__init__`, which `connect` builds. Never pickled.

    Attributes:
        info: the declaration of the provider's plugin
        account: the name that recordings, sessions and copies carry
        base_url: the URL of the API; `None` for the provider's default
        http: timeouts, retries, rate and media hosts
        settings: the value of every `Setting` of `info` by its name; the empty string if it may
            stay unset and is not set
        clock: the clock, which tests replace
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

    def list_secrets(self) -> list[str]:
        """List the values of secret settings, which no text may show."""
        return [self.settings[setting.name] for setting in self.info.settings if setting.secret]

    def list_ids(self) -> tuple[str, ...]:
        """List the values of the required settings that are not secret: the ids of the account."""
        needed = (each for each in self.info.settings if not each.secret and each.default is None)
        return tuple(self.settings[each.name] for each in needed)

    def __repr__(self) -> str:
        return f"<Connection to {self.info.name} account={self.account!r}>"

    def __reduce__(self) -> str:
        raise TypeError("a connection holds credentials and is not pickled: connect again there")
