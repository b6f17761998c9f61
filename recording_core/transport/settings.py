"""What may a caller set about HTTP? Plain data, which imports no HTTP library."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from attrs import field, frozen
from attrs.validators import ge, gt, instance_of

__all__ = ["TOTAL_TIMEOUT", "VENDOR_RATE", "HttpSettings", "MediaHosts"]


class MediaHosts(Enum):
    """From which hosts media may be fetched; the API's own origin always may."""

    #: https, and every address that the name resolves or connects to is a public one
    PUBLIC = "public"
    #: only the hosts in the provider's own table, and public addresses
    VENDOR = "vendor"


class _VendorRate(Enum):
    VENDOR = "vendor"


#: Seconds for one API exchange, unless something else is set.
TOTAL_TIMEOUT: Final = 60.0
#: A week: who sets more means no bound, and a socket could not bear it.
_LONGEST: Final = 7 * 86400

#: Requests a second as the vendor publishes them; none against loopback.
VENDOR_RATE: Final = _VendorRate.VENDOR


@frozen(kw_only=True)
class HttpSettings:
    """How one connection behaves. Times are seconds, all arguments keywords.

    Raises `TypeError` and `ValueError` for what makes no sense, such as a timeout of 0.

    Attributes:
        connect_timeout: until a connection stands; 10
        read_timeout: the silence between two bytes; 30
        total_timeout: one API exchange with its retries, and the wait for the first byte of media,
            where a provider that needs longer has its own default; 60
        retries: attempts after the first one, of what may be sent again; 3
        workers: pages of a listing that are fetched at once; 8
        rate: requests a second, `None` for no limit; what the vendor publishes
        max_json_bytes: of one answer, uncompressed; 32 MiB
        media_hosts: a `MediaHosts`, or a callable that is given a host name and answers whether to
            trust it, whatever its address; `MediaHosts.PUBLIC`
        allow_loopback: whether media may come from this machine; implied by a loopback `base_url`
        verify_tls: `False` looks away from wrong certificates, and is warned about at `connect`
    """

    connect_timeout: float = field(default=10.0)
    read_timeout: float = field(default=30.0)
    total_timeout: float = field(default=TOTAL_TIMEOUT)
    retries: int = field(default=3, validator=[instance_of(int), ge(0)])
    workers: int = field(default=8, validator=[instance_of(int), ge(1)])
    rate: float | _VendorRate | None = field(default=VENDOR_RATE)
    max_json_bytes: int = field(default=32 * 1024 * 1024, validator=[instance_of(int), gt(0)])
    media_hosts: MediaHosts | Callable[[str], bool] = field(default=MediaHosts.PUBLIC)
    allow_loopback: bool = field(default=False, validator=instance_of(bool))
    verify_tls: bool = field(default=True, validator=instance_of(bool))

    @connect_timeout.validator
    @read_timeout.validator
    @total_timeout.validator
    def _check_seconds(self, attribute: Any, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{attribute.name} must be seconds, not {type(value).__name__}")
        if not 0 < value <= _LONGEST:
            raise ValueError(f"{attribute.name} must be seconds, above 0 and at most {_LONGEST}")

    @rate.validator
    def _check_rate(self, _: object, value: object) -> None:
        if value is None or value is VENDOR_RATE:
            return
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ValueError("rate must be requests a second, above 0, or None for no limit")

    @media_hosts.validator
    def _check_media_hosts(self, _: object, value: object) -> None:
        if not isinstance(value, MediaHosts) and not callable(value):
            raise TypeError("media_hosts must be a MediaHosts or a callable of a host name")
