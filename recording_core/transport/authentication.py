"""What signs a request to the API? A header, a token that is fetched, or nothing at all."""

from __future__ import annotations

import threading
from collections.abc import Callable

import requests
from requests.auth import AuthBase

from recording_core.errors import (
    ProviderError,
)
from recording_core.redaction import Secrets
from recording_core.transport.deadline import seconds_left

__all__ = [
    "HeaderAuth",
    "NoAuth",
    "TokenAuth",
]


class NoAuth(AuthBase):
    """Sends nothing, and keeps requests from looking into ~/.netrc for something to send."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class HeaderAuth(AuthBase):
    """Signs in with one header. Its repr shows no value."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._name] = self._value
        return request

    def __repr__(self) -> str:
        return f"<HeaderAuth {self._name}>"


class TokenAuth(AuthBase):
    """Signs in with one header whose value `fetch` gets from the vendor: at first, and after a 401.

    Shared by threads: one fetches, and the others wait for what it gets. `fetch` asks by
    `Transport.exchange(..., auth=NoAuth(), unmasked=True)`. The repr shows no value.
    """

    def __init__(self, name: str, fetch: Callable[[], str]) -> None:
        self._name, self._fetch = name, fetch
        self._value = ""
        self._lock = threading.Lock()
        #: set by the transport: what is fetched is a secret of the connection, too
        self.secrets = Secrets(())

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._name] = self._value or self._fetched("")
        return request

    def renew(self, refused: requests.PreparedRequest) -> None:
        """Fetch another value, unless another thread has since the refused request was signed."""
        self._fetched(refused.headers.get(self._name, ""))

    def _fetched(self, stale: str) -> str:
        left = seconds_left()
        if not self._lock.acquire(timeout=-1 if left is None else left):
            raise TimeoutError
        try:
            if self._value == stale:
                value = self._fetch()
                self.secrets.add(value)
                self._value = value
            return self._value
        except ProviderError as error:
            error.operation = error.operation or "sign in"
            raise
        finally:
            self._lock.release()

    def __repr__(self) -> str:
        return f"<TokenAuth {self._name}>"
