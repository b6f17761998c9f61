"""How does requests behave here? No redirects, cookies, retries or ~/.netrc; all is watched."""

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
from recording_core.transport.address_policy import (
    AddressPolicy,
    WatchedHTTPPool,
    WatchedHTTPSPool,
)
from recording_core.transport.authentication import NoAuth
from recording_core.transport.deadline import exchanging

__all__ = [
    "NETWORK_ERRORS",
    "POOL_SIZE",
    "TIMEOUTS",
    "new_session",
]

#: What urllib3, requests and the socket below them raise when a network or a peer misbehaves.
NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError)

TIMEOUTS = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)

#: Connections kept alive to one host: more threads than these open and close one each time.
POOL_SIZE = 32


class _WithoutQueries(logging.Filter):
    """urllib3 logs the path of each request, its query and all: a signed one is a credential."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and exchanging():
            record.args = tuple(
                re.sub(r"\?.*", f"?{MASK}", each) if isinstance(each, str) else each
                for each in record.args
            )
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_WithoutQueries())


class _Adapter(HTTPAdapter):
    """requests' adapter over pools whose connections are watched and whose peers are checked."""

    def __init__(self, peers: AddressPolicy | None, size: int, silence: float | None) -> None:
        self._more: dict[str, Any] = {"peers": peers, "silence": silence}
        super().__init__(pool_connections=size, pool_maxsize=size, max_retries=0)

    def _watched(self, manager: urllib3.PoolManager) -> urllib3.PoolManager:
        pools: dict[str, Any] = {  # called, never subclassed: a partial will do
            "http": functools.partial(WatchedHTTPPool, **self._more),
            "https": functools.partial(WatchedHTTPSPool, **self._more),
        }
        manager.pool_classes_by_scheme = pools
        return manager

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._watched(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(*args, **kwargs)
        self._watched(manager)
        return manager


class _Session(requests.Session):
    """Sees no redirects: requests reads the whole body of one before it asks whether to follow."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def new_session(
    peers: AddressPolicy | None, size: int, silence: float | None = None
) -> requests.Session:
    """A session that keeps no cookies, retries nothing and reads no ~/.netrc.

    `silence` bounds each read of a body where it may be shorter than the wait for its headers.
    """
    session = _Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    session.auth = NoAuth()
    session.headers["User-Agent"] = "recording-core"
    session.mount("https://", _Adapter(peers, size, silence))
    session.mount("http://", _Adapter(peers, size, silence))
    return session
