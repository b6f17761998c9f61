"""Which receiver takes a request, and what is its vendor answered? As few words as there can be."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

from recording_core.errors import ConfigurationError, RecordingError, WebhookRejected
from recording_core.model.events import WebhookRequest
from recording_core.webhooks.receiver import Receiver

__all__ = ["METHODS", "Endpoint", "taken", "words"]

_log = logging.getLogger("recording_core.webhooks")

#: Which one is for the user to choose, at some vendors: by each of these a callback may come.
METHODS = ("POST", "GET", "PUT", "DELETE")


class Endpoint:
    """One receiver at `url`, or several, each at a path below it.

    `url` is public: as it is configured at the vendor, since some sign it. What a request's Host
    header says is never asked.
    """

    def __init__(self, receiver: Receiver | Mapping[str, Receiver], url: str) -> None:
        if not isinstance(url, str):
            raise TypeError(f"url must be a str, not {type(url).__name__}")
        if not url.startswith(("https://", "http://")):
            raise ConfigurationError("url must be the public URL that is configured at the vendor")
        self._url = url.partition("#")[0].partition("?")[0]
        self._one = receiver if isinstance(receiver, Receiver) else None
        self._at = dict(receiver) if isinstance(receiver, Mapping) else {}
        for path, each in self._at.items():
            if not isinstance(each, Receiver):
                raise TypeError(f"at {path!r} must be a Receiver, not {type(each).__name__}")
            if not path.startswith("/"):
                raise ConfigurationError(f"the path {path!r} must begin with a slash")
        if self._one is None and not self._at:
            raise TypeError("give a Receiver, or a mapping of paths to several")

    def find(self, path: str) -> tuple[Receiver, str] | None:
        """The receiver at this path, and its public URL without a query."""
        if self._one is not None:
            return self._one, self._url
        found = self._at.get(path)
        return (found, self._url.rstrip("/") + path) if found is not None else None


def taken(receiver: Receiver, request: WebhookRequest) -> HTTPStatus:
    """The answer to a callback: 200 also to a replay, 503 where it shall be sent again."""
    try:
        receiver.receive(request)
    except WebhookRejected as error:
        return HTTPStatus(error.status)
    except RecordingError:
        _log.exception("%s: a callback was not taken", receiver.provider)
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.OK


def words(status: HTTPStatus) -> bytes:
    """An answer's body: why is said in the log, and not to strangers."""
    return f"{status.phrase}\n".encode()
