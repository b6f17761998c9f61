"""Capabilities: operations per session kind, and what a provider's plugin declares. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType

from attrs import field, frozen

from recording_core.model.enums import SessionKind


class Operation(StrEnum):
    """A verb of the library. A capability is an operation on a kind of session."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    ACTIVE = "active"
    LIST = "list"
    GET = "get"
    DOWNLOAD = "download"
    DELETE = "delete"


#: Operations by kind, since a vendor may support pausing calls but not conferences.
Capabilities = Mapping[SessionKind, frozenset[Operation]]


def build_capabilities(**by_kind: str) -> Capabilities:
    """Build a table from words: `build_capabilities(call="start stop list get download delete")`.

    Raises `ValueError` if a kind or an operation does not exist.
    """
    return _freeze_capabilities(
        {
            SessionKind(kind): frozenset(map(Operation, words.split()))
            for kind, words in sorted(by_kind.items())
        }
    )


@frozen
class Setting:
    """A setting that `connect` needs, from a keyword or else from an environment variable.

    Attributes:
        name: the keyword
        env: the environment variable
        secret: whether the value is removed from every text
        default: the value if neither is given; `None` if the setting is required, and the empty
            string if it may stay unset
    """

    name: str
    env: str
    secret: bool = False
    default: str | None = None


@frozen(kw_only=True)
class StoragePrice:
    """The vendor's monthly price for storing recordings, per minute or per gigabyte.

    Raises `ValueError` unless exactly one of the two prices is given.

    Attributes:
        currency: ISO 4217 code
        per_minute_month: price of one minute of recording for one month
        per_gb_month: price of 10^9 bytes for one month
        free_days: days after `created_at` that cost nothing
    """

    currency: str = "USD"
    per_minute_month: float | None = None
    per_gb_month: float | None = None
    free_days: int = 0

    def __attrs_post_init__(self) -> None:
        if (self.per_minute_month is None) is (self.per_gb_month is None):
            raise ValueError("give exactly one of per_minute_month and per_gb_month")
        if type(self.free_days) is not int or self.free_days < 0:
            raise ValueError(f"free_days must be a whole number >= 0, not {self.free_days!r}")


# Functions of their own, since type checkers cannot infer the argument of a bare `tuple` converter.
def _convert_settings(given: Iterable[Setting]) -> tuple[Setting, ...]:
    return tuple(given)


def _convert_hosts(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


def _freeze_capabilities(table: Capabilities) -> Capabilities:
    return MappingProxyType({kind: frozenset(operations) for kind, operations in table.items()})


@frozen
class ProviderInfo:
    """A plugin's declaration of its provider: data only, so that discovery imports no client.

    Attributes:
        name: the name of the provider and of its entry point: lower-case letters, digits and
            underscores
        label: the vendor's name as people write it
        settings: the settings of `connect`
        capabilities: the operations that the vendor's API supports, by kind of session
        documentation: the URL of the vendor's documentation
        client: `"module:name"` of its `Provider`
        webhooks: `"module:name"` of its `WebhookScheme`, or `None`
        emulator: `"module:name"` of its `Emulator`, or `None`
        media_hosts: the hosts that serve the vendor's media, used with `MediaHosts.VENDOR`;
            `*.example.com` includes every subdomain
        storage_price: the price that the vendor publishes, or `None`
        assumptions: `"module:name"` of its tuple of `Assumption`, or `None`
    """

    name: str
    label: str
    settings: tuple[Setting, ...] = field(converter=_convert_settings)
    capabilities: Capabilities = field(converter=_freeze_capabilities)
    documentation: str
    client: str
    webhooks: str | None = None
    emulator: str | None = None
    media_hosts: tuple[str, ...] = field(default=(), converter=_convert_hosts)
    storage_price: StoragePrice | None = None
    assumptions: str | None = None

    def __repr__(self) -> str:
        # Short, so that `rec.providers()` is readable; every setting is a keyword of `connect`.
        kinds = "/".join(kind for kind in SessionKind if kind in self.capabilities)
        settings = ", ".join(setting.name for setting in self.settings)
        return f"<ProviderInfo {self.label}: {kinds}; settings {settings}>"

    def can(self, operation: Operation, kind: SessionKind | None = None) -> bool:
        """Whether the vendor supports the operation for this kind; without a kind, for any."""
        if kind is None:
            return any(operation in table for table in self.capabilities.values())
        return operation in self.capabilities.get(kind, frozenset())

    def __iter__(self) -> Iterator[tuple[SessionKind, Operation]]:
        """Yield every supported (kind, operation), in the order of the two enums."""
        for kind in SessionKind:
            yield from ((kind, operation) for operation in Operation if self.can(operation, kind))

    def __hash__(self) -> int:
        return hash((self.name, self.client))
