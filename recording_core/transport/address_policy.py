"""With whom may a connection be made? Addresses and URL forms are judged here, before any byte.

The name is read by the parser that connects (urllib3's), and the address that really answers is
checked on the socket, since a name may resolve differently a moment later.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import re
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import frozen
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from recording_core.errors import ForbiddenHost
from recording_core.transport.deadline import mark_sent, release, seconds_left, watch
from recording_core.transport.settings import MediaHosts

__all__ = [
    "Origin",
    "AddressPolicy",
    "WatchedHTTPPool",
    "WatchedHTTPSPool",
    "is_loopback",
    "origin_of",
]

Origin = tuple[str, str, int]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
#: What parsers disagree about, and no vendor's URL needs.
_UNSAFE = re.compile(r"[\\\x00-\x20\x7f]")
#: A name or an address; no percent-encoding, which one parser decodes and the next does not.
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", re.ASCII)
#: All that is routed as global unicast (RFC 4291, 2.4): neither NAT64 nor site-local lies in it.
_GLOBAL = ipaddress.ip_network("2000::/3")
#: What in it carries an IPv4 address on: 6to4 and Teredo.
_CARRIERS = (ipaddress.ip_network("2002::/16"), ipaddress.ip_network("2001::/32"))


def origin_of(url: str) -> Origin:
    """(scheme, host, port) as the connection will have them. Raises `ForbiddenHost`."""
    parsed = _parsed(url)
    scheme = (parsed.scheme or "").lower()
    return scheme, (parsed.host or "").lower(), parsed.port or _PORTS.get(scheme, 0)


def _parsed(url: str) -> Url:
    if not url.isascii() or _UNSAFE.search(url):
        raise ForbiddenHost("a media URL with spaces, backslashes or control characters is refused")
    try:
        parsed = parse_url(url)
    except LocationParseError:
        raise ForbiddenHost("a media URL that cannot be parsed is refused") from None
    if parsed.auth is not None:
        raise ForbiddenHost("a media URL with user info is refused")
    if parsed.host and not _HOST.fullmatch(parsed.host):
        raise ForbiddenHost("a media URL with a host that is no name is refused")
    return parsed


def is_loopback(host: str) -> bool:
    """Whether a host's name is this machine, by its form alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_public(address: Address) -> bool:
    """Whether an address is global unicast and carries no other address inside."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address not in _GLOBAL or any(address in network for network in _CARRIERS):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


@frozen(eq=False, repr=False)
class AddressPolicy:
    """From where one connection's media may come."""

    hosts: MediaHosts | Callable[[str], bool]
    vendor_hosts: tuple[str, ...]
    allow_loopback: bool

    def check_url(self, url: str) -> None:
        """Raise `ForbiddenHost` for a URL whose form or host is not allowed."""
        scheme, host, port = origin_of(url)
        if not host:
            raise ForbiddenHost("a media URL without a host is refused")
        if scheme != "https" and not (scheme == "http" and is_loopback(host)):
            raise ForbiddenHost(f"a media URL by {scheme or 'no scheme'} is refused (host {host})")
        if is_loopback(host):
            if not self.allow_loopback:
                raise ForbiddenHost(
                    "a media URL on loopback is refused unless HttpSettings(allow_loopback=True)"
                )
            return
        if callable(self.hosts):
            if not self.hosts(host):
                raise ForbiddenHost(f"media host {host} is refused by the callable `media_hosts`")
            return
        if port != 443:
            raise ForbiddenHost(f"media host {host} is asked for on port {port}, not 443; refused")
        if self.hosts is MediaHosts.VENDOR and not matches(host, self.vendor_hosts):
            raise ForbiddenHost(f"media host {host} is not in the provider's table; refused")

    def check_address(self, host: str, text: str) -> None:
        """Raise `ForbiddenHost` for an address that media may not come from."""
        if callable(self.hosts) and not is_loopback(host):
            return  # the caller trusts the name, wherever it leads
        address = ipaddress.ip_address(text.partition("%")[0])
        if address.is_loopback and self.allow_loopback:
            return
        if not is_public(address):
            raise ForbiddenHost(f"media host {host} leads to the address {address}; refused")


def matches(host: str, patterns: tuple[str, ...]) -> bool:
    """Whether a host is in a table of names and `*.example.com` patterns."""
    return any(fnmatch.fnmatchcase(host, pattern) for pattern in patterns)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []  # connecting fails next, with its own error
    return [str(where[0]) for *_, where in found]


class _Watched:
    """What both kinds of connection add to urllib3's: the deadline's watch and the peer's check."""

    peers: AddressPolicy | None = None
    silence: float | None = None

    def _new_conn(self: Any) -> socket.socket:
        addresses = _addresses(self.host, self.port)
        # Behind a proxy the peer is the proxy, and the name's form has been judged already.
        peers = self.peers if self.proxy is None else None
        if peers is not None:
            for address in addresses:
                peers.check_address(self.host, address)
        left = seconds_left()
        if left is not None and addresses:  # they are tried in turn: each may take its share
            self.timeout = max(0.001, min(self.timeout, left / len(addresses)))
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]  # urllib3's, by the mixin
        try:
            if peers is not None:
                peers.check_address(self.host, sock.getpeername()[0])
            watch(self, sock, fresh=True)
        except BaseException:
            sock.close()
            raise
        return sock

    def request(self: Any, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # kept alive from an exchange before
            watch(self, self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]  # urllib3's, by the mixin

    def getresponse(self: Any) -> Any:
        sock = self.sock  # which a connection that will not be kept forgets here
        response = super().getresponse()  # type: ignore[misc]  # urllib3's, by the mixin
        if self.silence is not None:
            sock.settimeout(self.silence)
        return response

    def send(self: Any, data: Any) -> None:
        if self.sock is None:
            self.connect()
        mark_sent()
        super().send(data)  # type: ignore[misc]  # http.client's, by the mixin


class WatchedHTTPConnection(_Watched, HTTPConnection):
    """Plain HTTP, for loopback."""


class WatchedHTTPSConnection(_Watched, HTTPSConnection):
    """HTTPS."""


_Pool = TypeVar("_Pool", bound=HTTPConnectionPool)


class _WatchedPool:
    """A pool that tells each connection with whom it may be, and how long a body may be silent.

    Without `silence` that is as long as the wait for the headers.
    """

    def __init__(
        self,
        *args: Any,
        peers: AddressPolicy | None = None,
        silence: float | None = None,
        **kwargs: Any,
    ) -> None:
        self._peers = peers
        self._silence = silence
        super().__init__(*args, **kwargs)

    def _new_conn(self) -> Any:
        connection = super()._new_conn()  # type: ignore[misc]  # urllib3's, by the mixin
        connection.peers = self._peers
        connection.silence = self._silence
        return connection

    def _put_conn(self, connection: Any) -> None:
        release(connection)
        super()._put_conn(connection)  # type: ignore[misc]  # urllib3's, by the mixin


class WatchedHTTPPool(_WatchedPool, HTTPConnectionPool):
    """Named here, so that vcrpy can be told of it (`recording_core.testing.recorder`)."""

    ConnectionCls = WatchedHTTPConnection


class WatchedHTTPSPool(_WatchedPool, HTTPSConnectionPool):
    """As above, for HTTPS."""

    ConnectionCls = WatchedHTTPSConnection
