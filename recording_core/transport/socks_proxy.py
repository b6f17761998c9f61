"""SOCKS proxy: connections by HTTPS through one, which PySocks negotiates with.

Imported when a proxy variable names such a proxy. Its negotiation is under the deadlines of the
call, which urllib3's own is not.
"""

from __future__ import annotations

import socket
from typing import Any

import socks
from urllib3.contrib.socks import SOCKSHTTPSConnection, SOCKSHTTPSConnectionPool

from recording_core.transport.address_policy import WatchedConnection, WatchedPool
from recording_core.transport.deadline import watch_socket

#: The port of a proxy whose URL has none: https://www.iana.org/assignments/service-names-port-numbers
_PORT = 1080


class _SocksConnection(WatchedConnection, SOCKSHTTPSConnection):
    """A connection by HTTPS through a SOCKS proxy."""

    def _new_conn(self: Any) -> Any:
        """Connect to the proxy, which connects to the host.

        By `socks5h` the proxy resolves the host's name. Otherwise this machine does, and the
        address policy applies.
        """
        self.target, options = self.host, self._socks_options
        if not options["rdns"]:
            self.target = self.resolve_host(self.host, self.port, self.policy)[0]
        port = options["proxy_port"] or _PORT
        return self.connect_to_any(self.resolve_host(options["proxy_host"], port, None))

    def connect_to(self: Any, address: str) -> Any:
        """Connect to one of the proxy's addresses, and through it to the host."""
        options = self._socks_options
        sock = socks.socksocket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.set_proxy(
            options["socks_version"],
            address,
            options["proxy_port"] or _PORT,
            options["rdns"],
            options["username"],
            options["password"],
        )
        sock.settimeout(self.timeout)
        watch_socket(self, sock, fresh=True)
        try:
            sock.connect((self.target, self.port))
        except BaseException:
            sock.close()
            raise
        return sock


class SocksPool(WatchedPool, SOCKSHTTPSConnectionPool):
    """A pool of such connections."""

    connection_class = _SocksConnection
