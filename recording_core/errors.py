"""Errors: one exception class for each way in which a caller can react.

    RecordingError
    ├── ConfigurationError       a setting is missing, malformed or unknown: correct it
    ├── PluginError              a provider's plugin is broken, or two plugins claim its name
    ├── UnsupportedOperation     this vendor has no such request; nothing was sent
    ├── ProviderError            the vendor returned an error, no response, or an unreadable one
    │   ├── AuthenticationFailed     the credentials are wrong or lack a permission
    │   ├── NotFound                 no such call, conference, meeting or recording
    │   ├── NotReady                 it exists but is not available yet: try again later
    │   ├── Conflict                 the current state forbids it, e.g. it is already recording
    │   ├── QuotaExceeded            the account has reached a limit that waiting does not lift
    │   ├── RateLimited              too many requests: wait for `retry_after`
    │   ├── Rejected                 the vendor does not accept the request: change it
    │   ├── Unavailable              no response, or a fault at the vendor: try again later
    │   ├── OutcomeUnknown           it may or may not have happened: check before you repeat it
    │   ├── MalformedPayload         the response is not what the vendor documents
    │   └── PaginationError          the listing would never end, or leads away from the vendor
    ├── DownloadError            the download failed and left no file
    │   ├── ChecksumMismatch         the bytes are not those that the vendor reports
    │   ├── Truncated                fewer bytes than reported, after all attempts
    │   ├── NotMedia                 an error page or another format in place of the media
    │   ├── TooLarge                 the file is longer than `max_media_bytes` or any of its kind
    │   ├── ForbiddenHost            the address policy forbids the media's host
    │   └── StorageError             the disk failed, not the vendor
    └── WebhookRejected          a delivery is not from the vendor, unreadable, or not accepted

The text of an error states what happened, to which recording at which vendor, and what to do. It
contains neither credentials nor signed URLs, control characters are escaped, and it is cut at some
thousand characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from recording_core.redaction import (
    MOST_EXCERPT,
    escape_controls,
    redact_payload,
    shorten_payload,
    shorten_text,
)

if TYPE_CHECKING:
    from recording_core.model.entities import CommunicationSession, Copy, RecordingSession

__all__ = [
    "AuthenticationFailed",
    "ChecksumMismatch",
    "ConfigurationError",
    "Conflict",
    "DownloadError",
    "ForbiddenHost",
    "MalformedPayload",
    "NotFound",
    "NotMedia",
    "NotReady",
    "OutcomeUnknown",
    "PaginationError",
    "PluginError",
    "ProviderError",
    "QuotaExceeded",
    "RateLimited",
    "RecordingError",
    "Rejected",
    "StorageError",
    "TooLarge",
    "Truncated",
    "Unavailable",
    "UnsupportedOperation",
    "WebhookRejected",
]


class RecordingError(Exception):
    """The base class of every error that this library raises because of the world around it.

    A vendor, a network, a disk or an attacker causes a `RecordingError` and no other exception.
    Wrong arguments raise `ValueError` or `TypeError`.

    Attributes:
        message: the text without the provider and the HTTP facts that `str()` adds
        copies: the copies that a download of several files completed before it failed
    """

    copies: tuple[Copy, ...] = ()

    def __init__(self, message: str) -> None:
        self.message = escape_controls(shorten_text(message, MOST_EXCERPT))
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        # Pools pickle exceptions, and pickle does not pass keyword-only arguments.
        return (_rebuild, (type(self), self.message, dict(self.__dict__)))


def _rebuild(kind: type[RecordingError], message: str, state: Mapping[str, Any]) -> RecordingError:
    error = kind.__new__(kind, message)
    error.__dict__.update(state)
    return error


def _join(prefix: Iterable[str], message: str) -> str:
    """Put the words that are not empty before a message."""
    words = escape_controls(" ".join(filter(None, prefix)))
    return f"{words}: {message}" if words else message


class ConfigurationError(RecordingError, ValueError):
    """A setting is missing, malformed or unknown.

    The text names the setting and the place that the library reads it from.
    """


class PluginError(RecordingError):
    """The plugin of the requested provider cannot be used. The text gives the reason."""


class UnsupportedOperation(RecordingError):
    """The vendor's API has no such request. Raised before anything is sent."""


_ErrorT = TypeVar("_ErrorT", bound="ProviderError")


class ProviderError(RecordingError):
    """A vendor returned an error, did not respond, or sent a response that cannot be read.

    Attributes:
        provider: the provider's name
        operation: the verb, or `authenticate` for the exchange of credentials
        status: the HTTP status; `None` if no response arrived
        code: the vendor's error code
        request_id: the id of the request, for the vendor's support
        body: the response body, decoded or as text, with credentials masked; of a long body its
            beginning, as text
        account: the account's name
        subject: what the verb was about: `recording ID`, or a call, conference or meeting
    """

    # Set by the verb: what reads the vendor's answer does not have them.
    account: str = ""
    subject: str = ""

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        operation: str = "",
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        body: Any = None,
    ) -> None:
        self.provider = provider
        self.operation = operation
        self.status = status
        self.code = escape_controls(shorten_text(code)) if code else code
        self.request_id = escape_controls(shorten_text(request_id)) if request_id else request_id
        self.body = shorten_payload(body, redact_payload, shorten_text)
        super().__init__(message)

    def convert(self, kind: type[_ErrorT], message: str, **more: Any) -> _ErrorT:
        """Build an error of another class about the same response; `more` are its own arguments."""
        names = ("provider", "operation", "status", "code", "request_id", "body")
        error = kind(message, **{name: getattr(self, name) for name in names}, **more)
        error.account, error.subject = self.account, self.subject
        return error

    def __str__(self) -> str:
        is_named = self.subject.removeprefix("recording ") in self.message
        facts = {
            "account": self.account if self.account != "default" else None,
            "HTTP": self.status,
            "code": self.code,
            "request": self.request_id,
        }
        given = ", ".join(
            [
                *([] if is_named else [escape_controls(shorten_text(self.subject))]),
                *(f"{name} {fact}" for name, fact in facts.items() if fact not in (None, "")),
            ]
        )
        text = _join((self.provider, self.operation), self.message)
        return f"{text} ({given})" if given else text


class AuthenticationFailed(ProviderError):
    """The vendor does not accept the credentials, or they lack a permission."""


class NotFound(ProviderError):
    """The vendor has no such call, conference, meeting or recording.

    Attributes:
        absent: whether the vendor's code states that this very resource does not exist. Otherwise
            `delete`, `stop` and `active` rely on it only after another request of the API succeeded
    """

    def __init__(self, message: str, *, absent: bool = False, **facts: Any) -> None:
        self.absent = absent
        super().__init__(message, **facts)


class NotReady(ProviderError):
    """The recording exists but is not available yet. Try again later.

    Attributes:
        session: from `wait`, the session as it was last seen; otherwise `None`
    """

    def __init__(
        self, message: str, *, session: RecordingSession | None = None, **facts: Any
    ) -> None:
        self.session = session
        super().__init__(message, **facts)


class Conflict(ProviderError):
    """The current state at the vendor forbids it, e.g. the target is already being recorded."""


class QuotaExceeded(ProviderError):
    """The account has reached a limit that waiting does not lift. Never retried."""


class RateLimited(ProviderError):
    """The vendor received too many requests.

    Attributes:
        retry_after: how long the vendor wants you to wait; `None` if it does not state that
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None, **facts: Any) -> None:
        self.retry_after = retry_after
        super().__init__(message, **facts)


class Rejected(ProviderError):
    """The vendor does not accept the request. Sending it again does not help."""


class Unavailable(ProviderError):
    """No response arrived in time, or the fault is at the vendor. Try again later.

    A pause, resume, stop or delete may still have taken effect; you may repeat it.

    Attributes:
        retry_after: how long the vendor wants you to wait; `None` if it does not state that
    """

    #: whether every attempt would fail until this machine or the server is changed
    _is_lasting = False

    def __init__(self, message: str, *, retry_after: timedelta | None = None, **facts: Any) -> None:
        self.retry_after = retry_after
        super().__init__(message, **facts)


class OutcomeUnknown(ProviderError):
    """The request was sent, and it is unknown whether it took effect. Check before you repeat it.

    Attributes:
        target: what was to be recorded
        parameters: the other parameters of the request, with credentials masked
        sent_at: when the request was sent: an aware UTC datetime
    """

    def __init__(
        self,
        message: str,
        *,
        target: CommunicationSession | None = None,
        parameters: Mapping[str, Any] | None = None,
        sent_at: datetime | None = None,
        **facts: Any,
    ) -> None:
        self.target = target
        self.parameters = redact_payload(dict(parameters)) if parameters is not None else None
        self.sent_at = sent_at
        super().__init__(message, **facts)


class MalformedPayload(ProviderError):
    """A response, a webhook or a document is not what its source documents.

    Attributes:
        path: the position in the payload; the text never quotes the value
    """

    def __init__(self, message: str, *, path: str = "", **facts: Any) -> None:
        self.path = path
        super().__init__(message, **facts)


class PaginationError(ProviderError):
    """The pages of a listing repeat, never end, or point away from the vendor."""


class DownloadError(RecordingError):
    """The download of a file failed. No partial file remains.

    Attributes:
        provider: the provider's name
        recording_id: the recording that the file belongs to
    """

    def __init__(self, message: str, *, provider: str = "", recording_id: str = "") -> None:
        self.provider = provider
        self.recording_id = recording_id
        super().__init__(message)

    def __str__(self) -> str:
        return _join((self.provider, self.recording_id), self.message)


class ChecksumMismatch(DownloadError):
    """The bytes that arrived are not those that the vendor reports."""


class Truncated(DownloadError):
    """Fewer bytes arrived than the vendor reports, after all attempts."""


class NotMedia(DownloadError):
    """The response is a page, a text or nothing, or it is compressed."""


class TooLarge(DownloadError):
    """The file is longer than `HttpSettings(max_media_bytes=)`, or than any file of its kind.

    If that is expected, increase `max_media_bytes`.
    """


class ForbiddenHost(DownloadError):
    """The connection's `media_hosts` does not allow the address of the media."""


class StorageError(DownloadError):
    """The disk failed: full, read-only or missing. An older file of that name is unchanged."""


class WebhookRejected(RecordingError):
    """A webhook delivery is not from the vendor, unreadable, or not accepted.

    Attributes:
        status: the HTTP status to respond with. 503 asks the vendor to send the delivery again: a
            listener (then it is the `__cause__`), the replay store, or the request for the vendor's
            public key failed
    """

    def __init__(self, message: str, *, status: int = 400) -> None:
        self.status = status
        super().__init__(message)
