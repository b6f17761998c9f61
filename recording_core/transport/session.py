"""Session: `requests` without redirects, cookies and ~/.netrc, over watched sockets."""

from __future__ import annotations

import functools
import logging
import os
import re
import ssl
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.util.ssl_ import create_urllib3_context

from recording_core.forks import renew_in_children
from recording_core.redaction import MASK
from recording_core.transport.address_policy import (
    AddressPolicy,
    WatchedHTTPPool,
    WatchedHTTPSPool,
    WatchedPool,
)
from recording_core.transport.authentication import NoAuth
from recording_core.transport.deadline import is_exchanging

#: What urllib3, requests and the socket below them raise when a network or a host misbehaves.
NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError)

TIMEOUTS = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)

#: Connections kept alive per host. More threads than these open and close one each time.
POOL_SIZE = 32


class _QueryFilter(logging.Filter):
    """Mask the query in urllib3's log of each request's path: a signed query is a credential."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and is_exchanging():
            record.args = tuple(
                re.sub(r"\?.*", f"?{MASK}", each) if isinstance(each, str) else each
                for each in record.args
            )
        return True


def _hide_headers(record: logging.LogRecord) -> bool:
    """Shorten urllib3's warning of malformed headers: it quotes them, also a signed URL."""
    if is_exchanging() and "headers" in str(record.msg):
        record.msg, record.args, record.exc_info = "A response has malformed headers", None, None
    return True


logging.getLogger("urllib3.connectionpool").addFilter(_QueryFilter())
logging.getLogger("urllib3.connection").addFilter(_hide_headers)


def load_authorities(bundle: str) -> ssl.SSLContext:
    """Load a file, or a folder, of certificate authorities. Raises `OSError`, also `SSLError`."""
    context = create_urllib3_context()
    if os.path.isdir(bundle):
        context.load_verify_locations(capath=bundle)
    else:
        context.load_verify_locations(bundle)
    return context


class _Adapter(HTTPAdapter):
    """requests' adapter over pools that watch their sockets and check addresses."""

    def __init__(self, size: int, **pool_options: Any) -> None:
        self._pool_options = pool_options
        #: (bundle of certificate authorities, its time) -> what TLS needs of it
        self._tls_contexts: dict[tuple[str, int], ssl.SSLContext] = {}
        self._one_use: _Adapter | None = None
        super().__init__(pool_connections=size, pool_maxsize=size, max_retries=0)

    def send(
        self,
        request: requests.PreparedRequest,
        *args: Any,
        fresh: bool = False,
        **kwargs: Any,
    ) -> requests.Response:
        """Send a request; `fresh` is whether on a connection of its own.

        The other end may have closed a connection that was kept alive, which loses the request.
        """
        if not fresh:
            return super().send(request, *args, **kwargs)
        if self._one_use is None:
            self._one_use = _Adapter(1, **self._pool_options, keep_alive=False)
            self._one_use._tls_contexts = self._tls_contexts
        return self._one_use.send(request, *args, **kwargs)

    def build_response(self, request: requests.PreparedRequest, response: Any) -> requests.Response:
        """Read no cookies: the parser of `Set-Cookie2` takes minutes for some kilobytes."""
        if response._original_response is not None:
            for name in ("Set-Cookie", "Set-Cookie2"):
                del response._original_response.msg[name]
        return super().build_response(request, response)

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        if not proxies:
            return super().get_connection_with_tls_context(request, verify, proxies, cert)
        with suppress(TypeError, ValueError):  # their texts contain the URL, and so the password
            return super().get_connection_with_tls_context(request, verify, proxies, cert)
        raise requests.exceptions.InvalidProxyURL

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        """Share the certificate authorities between connections.

        urllib3 would read them for each one, which takes longer than the handshake.
        """
        host, options = found = super().build_connection_pool_key_attributes(request, verify, cert)
        if verify and host["scheme"] == "https":
            bundle = DEFAULT_CA_BUNDLE_PATH if verify is True else verify
            options["ssl_context"] = self._find_tls_context(bundle)
        return found

    def _find_tls_context(self, bundle: str) -> ssl.SSLContext:
        key = bundle, os.stat(bundle).st_mtime_ns
        if key not in self._tls_contexts:
            self._tls_contexts[key] = load_authorities(bundle)
        return self._tls_contexts[key]

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        if "ssl_context" in conn.conn_kw:
            conn.ca_certs = conn.ca_cert_dir = None  # they are in the context

    def _install_pools(self, manager: urllib3.PoolManager, **pools: type[WatchedPool]) -> None:
        # urllib3 only calls these, so that a partial is enough.
        found: dict[str, Any] = {
            scheme: functools.partial(pool, **self._pool_options) for scheme, pool in pools.items()
        }
        manager.pool_classes_by_scheme = found

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._install_pools(self.poolmanager, http=WatchedHTTPPool, https=WatchedHTTPSPool)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> urllib3.PoolManager:
        manager: urllib3.PoolManager = super().proxy_manager_for(proxy, **kwargs)
        if isinstance(manager, urllib3.ProxyManager):
            self._install_pools(manager, http=WatchedHTTPPool, https=WatchedHTTPSPool)
        else:
            from recording_core.transport.socks_proxy import SocksPool

            self._install_pools(manager, https=SocksPool)
        return manager


class _Session(requests.Session):
    """A session without redirects: requests reads a redirect's whole body before it decides."""

    def __init__(self, size: int, **pool_options: Any) -> None:
        super().__init__()
        self.auth = NoAuth()
        self.headers["User-Agent"] = "recording-core"
        self._adapter_options = {"size": size, **pool_options}
        self.renew()
        renew_in_children(self)

    def renew(self) -> None:
        """Begin without connections. The cookies are renewed for their lock: there are none."""
        self.cookies = RequestsCookieJar(DefaultCookiePolicy(allowed_domains=()))
        adapter = _Adapter(**self._adapter_options)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def build_session(
    policy: AddressPolicy | None, size: int, body_timeout: float | None = None
) -> requests.Session:
    """Build a session that keeps no cookies and reads no ~/.netrc.

    `size` is the number of connections that are kept alive per host. `body_timeout` (seconds)
    bounds each read of a body, if that is to be shorter than the wait for the headers.
    """
    return _Session(size, policy=policy, body_timeout=body_timeout)
