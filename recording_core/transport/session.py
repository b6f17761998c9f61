"""Session: `requests` without redirects, cookies, retries and ~/.netrc, over watched sockets."""

from __future__ import annotations

import functools
import logging
import re
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from recording_core.redaction import MASK
from recording_core.transport.address_policy import AddressPolicy, WatchedHTTPPool, WatchedHTTPSPool
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


logging.getLogger("urllib3.connectionpool").addFilter(_QueryFilter())


class _Adapter(HTTPAdapter):
    """requests' adapter over pools that watch their sockets and check addresses."""

    def __init__(self, policy: AddressPolicy | None, size: int, body_timeout: float | None) -> None:
        self._pool_options: dict[str, Any] = {"policy": policy, "body_timeout": body_timeout}
        super().__init__(pool_connections=size, pool_maxsize=size, max_retries=0)

    def _install_pools(self, manager: urllib3.PoolManager) -> urllib3.PoolManager:
        pools: dict[str, Any] = {  # urllib3 only calls these, so that a partial is enough
            "http": functools.partial(WatchedHTTPPool, **self._pool_options),
            "https": functools.partial(WatchedHTTPSPool, **self._pool_options),
        }
        manager.pool_classes_by_scheme = pools
        return manager

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._install_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(*args, **kwargs)
        self._install_pools(manager)
        return manager


class _Session(requests.Session):
    """A session without redirects: requests reads a redirect's whole body before it decides."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def build_session(
    policy: AddressPolicy | None, size: int, body_timeout: float | None = None
) -> requests.Session:
    """Build a session that keeps no cookies, retries nothing and reads no ~/.netrc.

    `size` is the number of connections that are kept alive per host. `body_timeout` (seconds)
    bounds each read of a body, if that is to be shorter than the wait for the headers.
    """
    session = _Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    session.auth = NoAuth()
    session.headers["User-Agent"] = "recording-core"
    session.mount("https://", _Adapter(policy, size, body_timeout))
    session.mount("http://", _Adapter(policy, size, body_timeout))
    return session
