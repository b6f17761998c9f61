"""How is a media URL fetched? Without credentials, hop by hop, each judged before it is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3
from attrs import frozen
from requests.auth import AuthBase

from recording_core.errors import (
    AuthenticationFailed,
    ForbiddenHost,
    MalformedPayload,
    NotFound,
    NotReady,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
)
from recording_core.model import strict_json
from recording_core.transport.address_policy import AddressPolicy, is_loopback, matches, origin_of
from recording_core.transport.authentication import NoAuth
from recording_core.transport.client import Transport
from recording_core.transport.deadline import Deadline
from recording_core.transport.retry import retry_after
from recording_core.transport.session import NETWORK_ERRORS, POOL_SIZE, new_session
from recording_core.transport.settings import TOTAL_TIMEOUT
from recording_core.transport.status_codes import ErrorDetails, read_framing

__all__ = ["MediaResponse", "MediaTransport"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_HOPS = 5
#: As much of an error's body is read.
_ERROR_BODY = 65536
_PLAIN = re.compile(r"(?i)http://([^/?#]*?)(?::80|:443)?(?=[/?#]|$)")


@frozen
class MediaResponse:
    """An answer of 200, 206 or 416 whose body is not read yet."""

    status: int
    headers: Mapping[str, str]
    _response: requests.Response

    @property
    def read_framing(self) -> tuple[bool, int | None]:
        """Whether the body's end is announced, and the length where that is told."""
        return read_framing(self.headers)

    def chunks(self, size: int) -> Iterator[bytes]:
        """The body as it is sent: nothing is decompressed. Raises `NETWORK_ERRORS`."""
        raw: urllib3.HTTPResponse = self._response.raw
        while chunk := raw.read(size, decode_content=False):
            yield chunk


class MediaTransport:
    """One connection's way to media hosts. Thread-safe.

    `credential_hosts` are the hosts, by name and pattern, that are sent the API's credentials
    after they answered 401, over https and never on a redirect; for all others there are none,
    but the API's own origin.
    """

    def __init__(
        self,
        api: Transport,
        *,
        vendor_hosts: tuple[str, ...],
        credential_hosts: tuple[str, ...],
        first_byte: float,
    ) -> None:
        settings = api.settings
        self._api = api
        #: seconds until a file's first byte: what was set, else what the provider needs
        self.first_byte = (
            first_byte if settings.total_timeout == TOTAL_TIMEOUT else settings.total_timeout
        )
        self._credential_hosts = credential_hosts
        self._peers = AddressPolicy(
            hosts=settings.media_hosts,
            vendor_hosts=vendor_hosts,
            allow_loopback=settings.allow_loopback or api.on_loopback,
        )
        size = max(settings.workers, POOL_SIZE)
        self._session = new_session(self._peers, size, settings.read_timeout)
        self._api_session = new_session(None, size, settings.read_timeout)

    def close(self) -> None:
        """Close the connections that are kept alive."""
        self._session.close()
        self._api_session.close()

    @contextmanager
    def fetch(self, url: str, headers: Mapping[str, str]) -> Iterator[MediaResponse]:
        """Ask for a URL and follow its redirects; yields the last hop's answer.

        Raises `ForbiddenHost` for an address that may not be fetched, and `ProviderError` where
        there is no answer or it is a refusal. What is raised while the body is read is left to the
        caller.
        """
        # Never compressed: sizes, ranges and checksums are of the bytes as they are stored.
        headers = {**headers, "Accept": "*/*", "Accept-Encoding": "identity"}
        url = self._upgraded(url)
        with Deadline(self.first_byte) as deadline:
            response = self._last_hop(url, headers, deadline)
            try:
                self._check(response, deadline)
                deadline.lift()
            except BaseException:
                response.close()
                raise
        with response:
            yield MediaResponse(response.status_code, response.headers, response)

    def _last_hop(
        self, url: str, headers: Mapping[str, str], deadline: Deadline
    ) -> requests.Response:
        response = self._hop(url, headers, deadline, signed=self._on_api(url))
        if response.status_code == 401 and self._may_sign(url):
            response.close()
            response = self._hop(url, headers, deadline, signed=True)
        hops = 0
        while response.status_code in _REDIRECTS:
            location = response.headers.get("Location", "")
            response.close()
            hops += 1
            if hops > _MAX_HOPS:
                raise Unavailable(f"more than {_MAX_HOPS} redirects", **self._facts(response))
            if not location:
                raise Unavailable("a redirect without a target", **self._facts(response))
            try:
                url = self._upgraded(urljoin(url, location))
            except ValueError:
                raise ForbiddenHost("a redirect to what is no URL is refused") from None
            # Only the first request may be signed: whoever chose this target may be a stranger.
            response = self._hop(url, headers, deadline, signed=False)
        return response

    def _hop(
        self, url: str, headers: Mapping[str, str], deadline: Deadline, *, signed: bool
    ) -> requests.Response:
        on_api = self._on_api(url)
        if not on_api:
            self._peers.check_url(url)
        auth: AuthBase = self._api.auth if signed else NoAuth()
        session = self._api_session if on_api else self._session
        if on_api:
            self._api.bucket.take()
        try:
            return self._api.send(
                session,
                "GET",
                url,
                deadline,
                auth=auth,
                headers=headers,
                patience=self.first_byte,
            )
        except NETWORK_ERRORS as error:
            if deadline.expired or isinstance(error, requests.Timeout | TimeoutError):
                why = f"no first byte of the media within {deadline.seconds:g} s"
            else:
                why = f"no answer from the media host {origin_of(url)[1]}"
            raise Unavailable(why, **self._facts()) from None

    def _check(self, response: requests.Response, deadline: Deadline) -> None:
        status = response.status_code
        if deadline.expired:
            raise Unavailable(
                f"no first byte of the media within {deadline.seconds:g} s", **self._facts()
            )
        if status in (200, 206, 416):
            return
        facts = self._facts(response)
        if status in (404, 409, 425):
            raise NotFound("the media is not there (yet)", **facts)
        if status in (401, 403):
            raise AuthenticationFailed(
                "the media host refuses: the link has expired, or media needs a sign-in", **facts
            )
        if status == 410:
            raise NotFound("the media is gone", **facts)
        if status == 429 and (details := self._read_error_details(response)).kind is not None:
            # From the API's own origin: a limit that waiting does not lift, say.
            words = self._api.secrets.redact(details.message or "the vendor refuses the media")
            raise details.kind(words, code=details.code, **facts)
        if status == 429:
            wish = retry_after(response.headers.get("Retry-After"), self._api.clock.now())
            raise RateLimited("too many requests for media", retry_after=wish, **facts)
        if status in (202, 204):
            raise NotReady("the vendor has no media to give yet", **facts)
        kind: type[ProviderError] = Unavailable if status >= 500 else Rejected
        raise kind(f"the media host answered HTTP {status}", **facts)

    def _read_error_details(self, response: requests.Response) -> ErrorDetails:
        """What the API itself says of a refusal; nothing, where another host says it."""
        if not self._on_api(response.url):
            return ErrorDetails()
        try:
            body = response.raw.read(_ERROR_BODY, decode_content=True)
            return self._api.read_error_details(
                response.status_code, response.headers, strict_json.decode_json(body)
            )
        except (MalformedPayload, *NETWORK_ERRORS):
            return ErrorDetails()

    # -- addresses -------------------------------------------------------------------------------

    def _facts(self, response: requests.Response | None = None) -> dict[str, Any]:
        facts: dict[str, Any] = {"provider": self._api.provider, "operation": "download"}
        if response is not None:
            facts["status"] = response.status_code
        return facts

    def _on_api(self, url: str) -> bool:
        return origin_of(url) == self._api.origin

    def _may_sign(self, url: str) -> bool:
        scheme, host, port = origin_of(url)
        return scheme == "https" and port == 443 and matches(host, self._credential_hosts)

    def _upgraded(self, url: str) -> str:
        """A vendor's plain-http link by https, except on loopback."""
        scheme, host, port = origin_of(url)
        if scheme == "http" and not is_loopback(host) and port in (80, 443):
            return _PLAIN.sub(r"https://\1", url, count=1)
        return url
