"""Endpoint: select the receiver of an HTTP request, and build the response."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from recording_core.errors import ConfigurationError, RecordingError, WebhookRejected
from recording_core.webhooks.receiver import Receiver
from recording_core.webhooks.request import WebhookRequest, remove_query

_log = logging.getLogger("recording_core.webhooks")

#: The methods that a webhook may use; some vendors let the user choose one.
METHODS = ("POST", "GET", "PUT", "DELETE")


class Endpoint:
    """One receiver at `url`, or several, each at a path below it.

    `url` is the public URL as it is configured at the vendor, since some vendors sign it. A
    request's Host header is never used. A proxy may forward the whole path or only what follows the
    path of `url`, and a slash at the end makes no difference.
    """

    def __init__(self, receiver: Receiver | Mapping[str, Receiver], url: str) -> None:
        self._url = remove_query(url)
        if not url.startswith(("https://", "http://")):
            raise ConfigurationError(
                "url must be the http or https URL that is configured at the vendor"
            )
        self._single = receiver if isinstance(receiver, Receiver) else None
        self._by_path: dict[str, Receiver] = {}
        self._prefix = unquote(urlsplit(self._url).path).rstrip("/")
        for path, each in receiver.items() if isinstance(receiver, Mapping) else ():
            if not isinstance(each, Receiver):
                raise TypeError(
                    f"the value at path {path!r} must be a Receiver, not {type(each).__name__}"
                )
            if not path.startswith("/"):
                raise ConfigurationError(f"the path {path!r} must begin with a slash")
            if path.rstrip("/") in self._by_path:
                raise ConfigurationError(f"two paths differ from {path!r} by a slash at the end")
            self._by_path[path.rstrip("/")] = each
        if self._single is None and not self._by_path:
            raise TypeError("receiver must be a Receiver or a mapping of paths to receivers")

    def find_receiver(self, method: str, path: str) -> tuple[Receiver, str]:
        """Find the receiver at this path, and its public URL without a query.

        Raises `WebhookRejected`: 404 for another path, 405 for a method that no vendor uses.
        """
        found, url = self._single, self._url
        if found is None:
            name = path.rstrip("/")
            if name not in self._by_path and f"{name}/".startswith(f"{self._prefix}/"):
                path = path.removeprefix(self._prefix)
            # With the slash at the end that the request has: the vendor signed that URL.
            found, url = self._by_path.get(path.rstrip("/")), url.rstrip("/") + path
        if found is None:
            _log.warning(
                "A request arrived at the path %.200r, and receivers have %s",
                path,
                ", ".join(self._prefix + (each or "/") for each in self._by_path),
            )
            raise WebhookRejected("No receiver has this path", status=404)
        if method not in METHODS:
            raise WebhookRejected("No vendor uses this method", status=405)
        return found, url


def handle_request(receiver: Receiver, request: WebhookRequest) -> HTTPStatus:
    """Receive a webhook and return the status to respond with: 200, also for a replay.

    Raises `WebhookRejected`; its status is 503 if the vendor shall send the webhook again.
    """
    try:
        receiver.receive(request)
    except WebhookRejected:
        raise
    except RecordingError:
        _log.exception("%s: a webhook could not be received", receiver.provider)
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.OK


def build_response(status: HTTPStatus) -> tuple[list[tuple[str, str]], bytes]:
    """Build headers and body of a response. The reason of an error is in the log only."""
    body = f"{status.phrase}\n".encode()
    headers = [("content-type", "text/plain"), ("content-length", str(len(body)))]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append(("allow", ", ".join(METHODS)))
    return headers, body
