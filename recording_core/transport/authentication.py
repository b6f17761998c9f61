"""Authentication of API requests: a header, a token that is fetched, or none."""

from __future__ import annotations

from collections.abc import Callable

import requests
from requests.auth import AuthBase as AuthBase  # a name for authors of providers
from requests.auth import HTTPBasicAuth as HTTPBasicAuth  # the same

from recording_core.errors import ProviderError
from recording_core.forks import ForkSafeLock
from recording_core.redaction import Secrets
from recording_core.transport.deadline import compute_seconds_left


class NoAuth(AuthBase):
    """Send no credentials, and keep requests from reading any in ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class HeaderAuth(AuthBase):
    """Authenticate with one header. The repr shows no value."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._name] = self._value
        return request

    def __repr__(self) -> str:
        return f"<HeaderAuth {self._name}>"


class TokenAuth(AuthBase):
    """Authenticate with one header whose value `fetch` gets from the vendor.

    The value is fetched before the first request and after a 401. Threads share it: one fetches,
    and the others wait for the result. `fetch` sends its request by
    `Transport.request(..., auth=NoAuth(), unmasked=True)`. The repr shows no value.
    """

    def __init__(self, name: str, fetch: Callable[[], str]) -> None:
        self._name, self._fetch = name, fetch
        self._value = ""
        self._lock = ForkSafeLock()
        #: set by the transport: a fetched value is a secret of the connection
        self.secrets = Secrets(())

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._name] = self._value or self._fetch_if_stale("")
        return request

    def renew(self, refused: requests.PreparedRequest) -> None:
        """Fetch another value, unless another thread has done so since `refused` was sent."""
        self._fetch_if_stale(refused.headers.get(self._name, ""))

    def _fetch_if_stale(self, stale: str) -> str:
        left = compute_seconds_left()
        if not self._lock.acquire(timeout=-1 if left is None else left):
            raise TimeoutError
        try:
            if self._value == stale:
                value = self._fetch()
                self.secrets.add(value)
                self._value = value
            return self._value
        except ProviderError as error:
            error.operation = error.operation or "authenticate"
            raise
        finally:
            self._lock.release()

    def __repr__(self) -> str:
        return f"<TokenAuth {self._name}>"
