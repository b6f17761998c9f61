"""What can be said to a vendor, and what is a provider's plugin? Declarations without I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType

from attrs import field, frozen

from recording_core.model.enums import SessionKind

__all__ = [
    "Capabilities",
    "Operation",
    "ProviderInfo",
    "Setting",
    "StoragePrice",
    "build_capabilities",
]


class Operation(StrEnum):
    """A verb of the library. A capability is a verb for a kind of session."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    ACTIVE = "active"
    LIST = "list"
    GET = "get"
    DOWNLOAD = "download"
    DELETE = "delete"


#: Never a flat set: a vendor may pause calls and not conferences.
Capabilities = Mapping[SessionKind, frozenset[Operation]]


def build_capabilities(**by_kind: str) -> Capabilities:
    """A capability table in words: `capability_table(call="start stop list get download delete")`.

    Raises `ValueError` for a kind or an operation that does not exist.
    """
    table = {
        SessionKind(kind): frozenset(Operation(word) for word in words.split())
        for kind, words in by_kind.items()
    }
    return MappingProxyType(dict(sorted(table.items())))


@frozen
class Setting:
    """One thing that `connect` needs to know: a keyword, else an environment variable.

    Attributes:
        name: the keyword
        env: the environment variable
        secret: cut out of every text
        default: `None`: it must be given. The empty string: it may stay unset
    """

    name: str
    env: str
    secret: bool = False
    default: str | None = None


@frozen(kw_only=True)
class StoragePrice:
    """What a vendor asks for keeping recordings: by the minute or by the gigabyte, a month.

    A gigabyte is 10^9 bytes; `free_days` are those after `created_at` that cost nothing. Raises
    `ValueError` unless there is exactly one price.
    """

    currency: str = "USD"
    per_minute_month: float | None = None
    per_gb_month: float | None = None
    free_days: int = 0

    def __attrs_post_init__(self) -> None:
        if (self.per_minute_month is None) is (self.per_gb_month is None):
            raise ValueError("needs one of per_minute_month and per_gb_month")
        if isinstance(self.free_days, bool) or not isinstance(self.free_days, int):
            raise ValueError(f"free_days must be a whole number, not {self.free_days!r}")
        if self.free_days < 0:
            raise ValueError("free_days must be 0 or more")


# Named, since type checkers cannot tell what a bare `tuple` takes here.
def _settings(given: Iterable[Setting]) -> tuple[Setting, ...]:
    return tuple(given)


def _hosts(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


def _read_only(table: Capabilities) -> Capabilities:
    return MappingProxyType({kind: frozenset(operations) for kind, operations in table.items()})


@frozen
class ProviderInfo:
    """What a plugin declares of its provider: data only, so that discovery imports no client.

    Attributes:
        name: the provider's, and the entry point's: lower-case letters, digits, underscores
        label: for people
        settings: what `connect` needs to know
        capabilities: what can be said to the vendor, by kind of session
        documentation: the address of the vendor's page
        client: `"module:name"` of its `Provider`
        webhooks: the same of its `WebhookScheme`, or None
        emulator: the same of its `Emulator`, or None
        media_hosts: from where the vendor serves media, `*.example.com` for all below one; used
            under `MediaHosts.VENDOR`
        storage_price: what the vendor publishes; None where it does not
    """

    name: str
    label: str
    settings: tuple[Setting, ...] = field(converter=_settings)
    capabilities: Capabilities = field(converter=_read_only)
    documentation: str
    client: str
    webhooks: str | None = None
    emulator: str | None = None
    media_hosts: tuple[str, ...] = field(default=(), converter=_hosts)
    storage_price: StoragePrice | None = None

    def can(self, operation: Operation, kind: SessionKind | None = None) -> bool:
        """Whether the vendor can be told this for this kind; without a kind, for any."""
        if kind is None:
            return any(operation in table for table in self.capabilities.values())
        return operation in self.capabilities.get(kind, frozenset())

    def __iter__(self) -> Iterator[tuple[SessionKind, Operation]]:
        """Every (kind, operation) that is possible, in a steady order."""
        for kind in SessionKind:
            for operation in Operation:
                if self.can(operation, kind):
                    yield kind, operation

    def __hash__(self) -> int:
        return hash((self.name, self.client))
