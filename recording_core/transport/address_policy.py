"""Address policy: which hosts and addresses media may be fetched from (an SSRF guard).

URLs are parsed with urllib3's parser, which also opens the connection. The address is checked
again on the connected socket, since a name may resolve differently a moment later.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import LifoQueue
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from attrs import frozen
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NewConnectionError
from urllib3.util import Url, parse_url
from urllib3.util.connection import create_connection

from recording_core.errors import ForbiddenHost
from recording_core.forks import renew_in_children
from recording_core.transport.deadline import (
    compute_seconds_left,
    mark_sent,
    release_connection,
    watch_socket,
)
from recording_core.transport.name_resolution import resolve_addresses
from recording_core.transport.settings import MediaHosts

#: The part of a URL up to the end of its host and port, and what is percent-encoded after it. Both
#: are compiled when they are needed: few URLs do.
_BEFORE_PATH = r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*"
_UNQUOTED = r"[^\x00-\x1f\x21-\x7f]+"

Origin = tuple[str, str, int]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
#: The most characters of a URL; servers accept some thousand. Parsing megabytes takes seconds.
_LONGEST_URL = 65536
#: Characters that URL parsers treat differently and that no vendor's URL needs.
_UNSAFE = re.compile(r"[\\\x00-\x20\x7f]")
#: A name or an address. Percent-encoding is excluded, since not every parser decodes it.
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", re.ASCII)
#: Global unicast (RFC 4291, 2.4); contains neither NAT64 nor site-local addresses.
_GLOBAL = ipaddress.ip_network("2000::/3")
#: Networks in it whose addresses embed an IPv4 address: 6to4 and Teredo.
_IPV4_CARRIERS = (ipaddress.ip_network("2002::/16"), ipaddress.ip_network("2001::/32"))

#: Networks of special purpose (RFC 6890, RFC 9637) that Python 3.11 takes for public.
_SPECIAL = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("3fff::/20"))


def quote_url(url: str) -> str:
    """Percent-encode spaces and non-ASCII characters after the host of a URL.

    Everything else stays as it is, since a change may break a signature; so does a URL that is too
    long to be requested.
    """
    if (url.isascii() and " " not in url) or len(url) > _LONGEST_URL:
        return url
    start = re.match(_BEFORE_PATH, url, re.ASCII)
    if start is None:
        return url
    rest = url[start.end() :]
    return start[0] + re.sub(_UNQUOTED, lambda found: quote(found[0], errors="replace"), rest)


def parse_origin(url: str) -> Origin:
    """Parse the (scheme, host, port) that a connection to this URL uses.

    Raises `ForbiddenHost` for a URL that is malformed or ambiguous.
    """
    parsed = _parse_url(url)
    scheme = (parsed.scheme or "").lower()
    return scheme, (parsed.host or "").lower(), parsed.port or _PORTS.get(scheme, 0)


def _parse_url(url: str) -> Url:
    if len(url) > _LONGEST_URL:
        raise ForbiddenHost(f"The media URL has {len(url)} characters; it was not requested")
    if not url.isascii() or _UNSAFE.search(url):
        raise ForbiddenHost(
            "The media URL contains backslashes or control characters, or its host contains spaces "
            "or non-ASCII characters; it was not requested"
        )
    parsed = None
    with suppress(LocationParseError):
        parsed = parse_url(url)
    if parsed is None:  # not raised above: the error of urllib3 contains the URL
        raise ForbiddenHost("The media URL cannot be parsed; it was not requested")
    if parsed.auth is not None:
        raise ForbiddenHost("The media URL contains user info; it was not requested")
    if parsed.host and not _HOST.fullmatch(parsed.host):
        raise ForbiddenHost("The media URL's host is not a valid name; it was not requested")
    return parsed


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, judged by the name alone."""
    if host.removesuffix(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_public(address: Address) -> bool:
    """Return whether an address is global unicast and embeds no other address."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address not in _GLOBAL or any(address in network for network in _IPV4_CARRIERS):
            return False
    if any(address in network for network in _SPECIAL):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _read_address(host: str) -> Address | None:
    """Read a host that is an address, also as a number, which the system may take for one."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


@frozen(eq=False, repr=False)
class AddressPolicy:
    """The hosts and addresses that one connection may fetch media from.

    Attributes:
        hosts: `HttpSettings.media_hosts`
        vendor_hosts: the provider's own table of names and `*.example.com` patterns
        allow_loopback: whether media may come from this machine
    """

    hosts: MediaHosts | Callable[[str], bool]
    vendor_hosts: tuple[str, ...]
    allow_loopback: bool

    def check_url(self, url: str) -> None:
        """Raise `ForbiddenHost` for a URL whose form or host is not allowed."""
        scheme, host, port = parse_origin(url)
        if not host:
            raise ForbiddenHost("The media URL has no host; it was not requested")
        if scheme != "https" and not (scheme == "http" and is_loopback(host)):
            raise ForbiddenHost(
                f"The media URL of host {host} uses {scheme or 'no scheme'} and not https; it was "
                "not requested"
            )
        if is_loopback(host):
            if not self.allow_loopback:
                raise ForbiddenHost(
                    "The media URL is on loopback; it was not requested. To allow it, set "
                    "HttpSettings(allow_loopback=True)"
                )
            return
        if callable(self.hosts):
            if not self.hosts(host):
                raise ForbiddenHost(f"The callable `media_hosts` does not allow media host {host}")
            return
        if port != 443:
            raise ForbiddenHost(
                f"The URL of media host {host} uses port {port} and not 443; it was not requested"
            )
        # A name is checked when it has been resolved, which behind a proxy is the proxy's work.
        address = _read_address(host)
        if address is not None and not is_public(address):
            raise ForbiddenHost(
                f"Media host {host} is an address that is not public; it was not requested"
            )
        if self.hosts is MediaHosts.VENDOR and not matches_any_pattern(host, self.vendor_hosts):
            raise ForbiddenHost(
                f"Media host {host} is not in the provider's table; it was not contacted"
            )

    def check_address(self, host: str, text: str) -> None:
        """Raise `ForbiddenHost` for an address that media may not come from."""
        if callable(self.hosts) and not is_loopback(host):
            return  # the caller trusts the name, also with a private address
        address = ipaddress.ip_address(text.partition("%")[0])
        if address.is_loopback and self.allow_loopback:
            return
        if not is_public(address):
            raise ForbiddenHost(
                f"Media host {host} resolves to {address}, which is not a public address; nothing "
                "was sent"
            )


def matches_any_pattern(host: str, patterns: tuple[str, ...]) -> bool:
    """Return whether a host is in a table of names and `*.example.com` patterns."""
    return any(fnmatch.fnmatchcase(host, pattern) for pattern in patterns)


class WatchedConnection:
    """Mixin for urllib3's connections: watch the socket, and check the address that it reaches."""

    policy: AddressPolicy | None = None
    body_timeout: float | None = None
    _is_connecting = False
    #: `sock`, also while urllib3 reads a body that ends with the connection
    _socket: Any = None

    def connect(self) -> None:
        self._is_connecting = True
        super().connect()  # type: ignore[misc]  # urllib3's, by the mixin
        self._is_connecting = False
        self._socket = self.sock  # type: ignore[attr-defined]
        renew_in_children(self)

    def renew(self) -> None:
        """Close the descriptor that a child process inherits; the connection is its parent's.

        A shutdown, or the end of TLS, would end it for the parent, too.
        """
        sock = getattr(self._socket, "socket", self._socket)  # TLS within the TLS of a proxy
        if (descriptor := sock.detach()) != -1:
            os.close(descriptor)
        if hasattr(sock, "_sslobj"):  # it would use the number of the descriptor, which is free now
            sock._sslobj = None

    def _new_conn(self: Any) -> socket.socket:
        """Resolve the name once, and connect to the addresses in turn, within `timeout` each."""
        # Behind a proxy the socket reaches the proxy; the URL's form was checked before.
        policy = self.policy if self.proxy is None else None
        addresses = self.resolve_host(self.host, self.port, policy)
        sock: socket.socket = self.connect_to_any(addresses)
        try:
            if policy is not None:
                policy.check_address(self.host, sock.getpeername()[0])
            watch_socket(self, sock, fresh=True)
        except BaseException:
            sock.close()
            raise
        sys.audit("http.client.connect", self, self.host, self.port)
        return sock

    def resolve_host(
        self: Any, host: str, port: int, policy: AddressPolicy | None
    ) -> Sequence[str]:
        """Resolve a name, and check its addresses."""
        try:
            addresses = resolve_addresses(host, port, self.timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "The name was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, "The name was not resolved") from error
        if policy is not None:
            for address in addresses:
                policy.check_address(host, address)
        return addresses

    def connect_to_any(self: Any, addresses: Sequence[str]) -> socket.socket:
        failure: OSError | None = None
        for index, address in enumerate(addresses):
            left = compute_seconds_left()
            if left is not None:  # each address gets its share
                left /= len(addresses) - index
                self.timeout = max(0.001, min(self.timeout, left))
            try:
                sock: socket.socket = self.connect_to(address)
                return sock
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "The host did not accept in time") from failure
        raise NewConnectionError(self, "No address of the host accepted") from failure

    def connect_to(self: Any, address: str) -> socket.socket:
        """Connect to one of the addresses within `timeout`."""
        return create_connection(
            (address, self.port),
            self.timeout,
            source_address=self.source_address,
            socket_options=self.socket_options,
        )

    def request(self: Any, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # kept alive from an earlier exchange
            watch_socket(self, self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]  # urllib3's, by the mixin

    def getresponse(self: Any) -> Any:
        sock = self.sock  # getresponse() clears it for a connection that is not kept alive
        response = super().getresponse()  # type: ignore[misc]  # urllib3's, by the mixin
        if self.body_timeout is not None:
            sock.settimeout(self.body_timeout)
        return response

    def send(self: Any, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if not self._is_connecting:  # else it is for the proxy, and the vendor receives nothing
            mark_sent()
        super().send(data)  # type: ignore[misc]  # http.client's, by the mixin


def _find_original(kind: Any) -> Any:
    """Find urllib3's class, which vcrpy replaces by a subclass while a cassette is open."""
    return next(each for each in kind.__mro__ if each.__module__ == "urllib3.connection")


_HTTP: Any = _find_original(HTTPConnection)
_HTTPS: Any = _find_original(HTTPSConnection)


class WatchedHTTPConnection(WatchedConnection, _HTTP):  # type: ignore[misc]  # found at run time
    """A connection by plain HTTP, for loopback."""


class WatchedHTTPSConnection(WatchedConnection, _HTTPS):  # type: ignore[misc]  # found at run time
    """A connection by HTTPS."""


def _is_cassette_open() -> bool:
    """Whether vcrpy has replaced methods of urllib3's pools, which it does in any cassette."""
    replaced: Mapping[str, Any] = getattr(HTTPConnectionPool._get_conn, "__globals__", {})
    return replaced.get("__name__") == "vcr.patch"


class WatchedPool:
    """Mixin for urllib3's pools: pass the address policy and the body timeout to connections.

    Without `body_timeout` (seconds) each read of a body waits as long as the read of the headers.
    With `keep_alive=False` each request gets a connection of its own.
    """

    connection_class: type[Any]

    def __init__(
        self,
        *args: Any,
        policy: AddressPolicy | None = None,
        body_timeout: float | None = None,
        keep_alive: bool = True,
        **kwargs: Any,
    ) -> None:
        self._policy = policy
        self._body_timeout = body_timeout
        self._keep_alive = keep_alive
        super().__init__(*args, **kwargs)
        self._queue: LifoQueue[Any] = self.pool  # type: ignore[attr-defined]  # urllib3's
        renew_in_children(self)

    def renew(self) -> None:
        """Empty the queue of connections and replace its locks, in place: urllib3 refers to it."""
        LifoQueue.__init__(self._queue, self._queue.maxsize)

    if not TYPE_CHECKING:  # an attribute of urllib3's pools

        @property
        def ConnectionCls(self) -> type[Any]:
            """The class of new connections: ours, or vcrpy's while a cassette is open."""
            while not hasattr(found := super().ConnectionCls, "cassette"):
                if not _is_cassette_open():
                    return self.connection_class
                # Another thread creates a connection, for which vcrpy restores urllib3's class.
                # One of ours would reach the network in spite of the cassette.
                if compute_seconds_left() == 0.0:
                    raise ConnectTimeoutError(self, "vcrpy did not finish in time")
                time.sleep(0.001)
            return found

    def _new_conn(self) -> Any:
        connection = super()._new_conn()  # type: ignore[misc]  # urllib3's, by the mixin
        connection.policy = self._policy
        connection.body_timeout = self._body_timeout
        return connection

    def _put_conn(self, connection: Any) -> None:
        release_connection(connection)
        if connection is not None and not self._keep_alive:
            connection.close()
        super()._put_conn(connection)  # type: ignore[misc]  # urllib3's, by the mixin


class WatchedHTTPPool(WatchedPool, HTTPConnectionPool):
    """A pool of HTTP connections."""

    connection_class = WatchedHTTPConnection


class WatchedHTTPSPool(WatchedPool, HTTPSConnectionPool):
    """A pool of HTTPS connections."""

    connection_class = WatchedHTTPSConnection
