"""HTTP settings of a connection; plain data, imports no HTTP library."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen
from attrs.validators import ge, gt, instance_of, is_callable, optional

if TYPE_CHECKING:
    from recording_core.transport.telemetry import Exchange


class MediaHosts(Enum):
    """The hosts that media may be fetched from; the API's own origin is always allowed."""

    #: any host by https, if each address that it resolves and connects to is public
    PUBLIC = "public"
    #: only hosts in the provider's own table, with public addresses
    VENDOR = "vendor"


class _VendorRate(Enum):
    VENDOR = "vendor"


#: The default of `total_timeout`, in seconds.
TOTAL_TIMEOUT: Final = 60.0
#: A week in seconds. More means no bound, and sockets do not accept it.
_MAX_SECONDS: Final = 7 * 86400

#: The default of `rate`: the vendor's published rate; no limit against loopback.
VENDOR_RATE: Final = _VendorRate.VENDOR


@frozen(kw_only=True)
class HttpSettings:
    """The HTTP settings of one connection. Times are in seconds; all arguments are keywords.

    Raises `TypeError` or `ValueError` for an invalid value, such as a timeout of 0.

    Attributes:
        connect_timeout: the longest wait for a connection; default 10
        read_timeout: the longest silence between two bytes; default 30
        total_timeout: the longest duration of one API exchange with its retries, and of the wait
            for the first byte of media (a provider whose media takes longer has its own default
            for that); default 60
        retries: how often a request is sent again, if it may be; default 3
        workers: pages of a listing that are fetched in parallel; default 8
        rate: requests per second, `None` for no limit; default: the vendor's published rate
        max_json_bytes: the largest response body, uncompressed; default 32 MiB
        max_media_bytes: the largest file of media, in bytes. By default a generous multiple of what
            the duration and format allow, or 8 GiB if the duration is unknown; a file whose size
            the vendor reports may have that size
        media_hosts: a `MediaHosts`, or a callable that receives a host name and returns whether to
            trust it, also with a private address; default `MediaHosts.PUBLIC`
        allow_loopback: whether media may come from this machine; implied by a loopback `base_url`
        verify_tls: `False` accepts any certificate, and makes `connect` warn; default `True`
        on_exchange: a callable that receives an `Exchange` after each HTTP exchange, in the thread
            that made it; what it raises is logged and changes nothing
    """

    connect_timeout: float = field(default=10.0)
    read_timeout: float = field(default=30.0)
    total_timeout: float = field(default=TOTAL_TIMEOUT)
    retries: int = field(default=3, validator=[instance_of(int), ge(0)])
    workers: int = field(default=8, validator=[instance_of(int), ge(1)])
    rate: float | _VendorRate | None = field(default=VENDOR_RATE)
    max_json_bytes: int = field(default=32 * 1024 * 1024, validator=[instance_of(int), gt(0)])
    max_media_bytes: int | None = field(default=None, validator=optional([instance_of(int), gt(0)]))
    media_hosts: MediaHosts | Callable[[str], bool] = field(default=MediaHosts.PUBLIC)
    allow_loopback: bool = field(default=False, validator=instance_of(bool))
    verify_tls: bool = field(default=True, validator=instance_of(bool))
    on_exchange: Callable[[Exchange], object] | None = field(
        default=None, repr=False, validator=optional(is_callable())
    )

    @connect_timeout.validator
    @read_timeout.validator
    @total_timeout.validator
    def _check_seconds(self, attribute: Any, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(
                f"{attribute.name} must be a number of seconds, not {type(value).__name__}"
            )
        if not 0 < value <= _MAX_SECONDS:
            raise ValueError(f"{attribute.name} must be above 0 and at most {_MAX_SECONDS} seconds")

    @rate.validator
    def _check_rate(self, _: object, value: object) -> None:
        if value is None or value is VENDOR_RATE:
            return
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ValueError("rate must be requests per second, above 0, or None for no limit")

    @media_hosts.validator
    def _check_media_hosts(self, _: object, value: object) -> None:
        if not isinstance(value, MediaHosts) and not callable(value):
            raise TypeError("media_hosts must be a MediaHosts or a callable of a host name")
