"""What can go wrong, and what does a caller do next?

    RecordingError
    ├── ConfigurationError       a setting is missing, malformed or unknown: mend it
    ├── PluginError              a provider's plugin is broken or its name is claimed twice
    ├── UnsupportedOperation     this cannot be said to this vendor; nothing was sent
    ├── ProviderError            the vendor refused, failed, or answered what nobody can read
    │   ├── AuthenticationFailed     the credentials or their permissions
    │   ├── NotFound                 no such call, conference, meeting or recording
    │   ├── NotReady                 it exists, and is not there yet: ask again later
    │   ├── Conflict                 the state forbids it, such as a recording that already runs
    │   ├── QuotaExceeded            the account is at a limit that waiting does not lift
    │   ├── RateLimited              too many requests; `retry_after` says when
    │   ├── Rejected                 the request is wrong in the vendor's eyes
    │   ├── Unavailable              no answer, or the vendor's fault: repeat it later
    │   ├── OutcomeUnknown           it may or may not have happened: look before you repeat
    │   ├── MalformedPayload         an answer that does not say what the vendor documents
    │   └── PaginationError          a listing that would never end or leave the vendor
    ├── DownloadError            no file was left behind
    │   ├── ChecksumMismatch         the bytes are not those that the vendor announced
    │   ├── Truncated                fewer bytes than announced, after all attempts
    │   ├── NotMedia                 an error page or another format in place of the media
    │   ├── ForbiddenHost            the media's address may not be fetched
    │   └── StorageError             the disk, not the vendor
    └── WebhookRejected          a callback not the vendor's, not readable, or not taken

Each error's text says what happened, to which recording at which vendor, and what to do. None
contains a credential or a signed URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from recording_core.redaction import redact_payload, redact_text

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
    "Truncated",
    "Unavailable",
    "UnsupportedOperation",
    "WebhookRejected",
]


class RecordingError(Exception):
    """The root: whatever a vendor, a network, a disk or a stranger can do ends here.

    `copies` are those that a download of several files had made before it failed.
    """

    copies: tuple[Copy, ...] = ()

    def __init__(self, message: str) -> None:
        self.message = redact_text(message)
        super().__init__(self.message)


class ConfigurationError(RecordingError, ValueError):
    """A setting is missing, malformed or unknown. The text names it and where it is looked for."""


class PluginError(RecordingError):
    """The provider that was asked for has a plugin that cannot be used; the text says why."""


class UnsupportedOperation(RecordingError):
    """This cannot be said to this vendor. Raised before any request."""


class ProviderError(RecordingError):
    """A vendor's refusal, failure or unreadable answer.

    Attributes:
        provider: the provider's name
        operation: the verb, or `sign in`
        status: HTTP's, None where no answer came
        code: the vendor's own
        request_id: what its support asks for
        body: its answer, decoded or as text, with credentials masked
    """

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
        self.code = redact_text(code) if code else code
        self.request_id = redact_text(request_id) if request_id else request_id
        self.body = redact_text(body) if isinstance(body, str) else redact_payload(body)
        super().__init__(message)

    def __str__(self) -> str:
        where = " ".join(part for part in (self.provider, self.operation) if part)
        facts = [
            f"{name} {value}"
            for name, value in (
                ("HTTP", self.status),
                ("code", self.code),
                ("request", self.request_id),
            )
            if value not in (None, "")
        ]
        text = f"{where}: {self.message}" if where else self.message
        return f"{text} ({', '.join(facts)})" if facts else text

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross process boundaries in pools; keyword-only arguments need this.
        return (_rebuild, (type(self), self.message, dict(self.__dict__)))


def _rebuild(kind: type[RecordingError], message: str, state: Mapping[str, Any]) -> RecordingError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class AuthenticationFailed(ProviderError):
    """The vendor does not accept the credentials, or they lack a permission."""


class NotFound(ProviderError):
    """The vendor knows no such call, conference, meeting or recording."""


class NotReady(ProviderError):
    """It exists and its media is not there yet.

    Attributes:
        session: the last one seen, from `wait`
    """

    def __init__(
        self, message: str, *, session: RecordingSession | None = None, **facts: Any
    ) -> None:
        self.session = session
        super().__init__(message, **facts)


class Conflict(ProviderError):
    """The state at the vendor forbids it, such as a recording that already runs."""


class QuotaExceeded(ProviderError):
    """The account is at a limit which waiting does not lift. Never retried."""


class RateLimited(ProviderError):
    """Too many requests.

    Attributes:
        retry_after: the vendor's wish, a `timedelta`, if it said one
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None, **facts: Any) -> None:
        self.retry_after = retry_after
        super().__init__(message, **facts)


class Rejected(ProviderError):
    """The request is wrong in the vendor's eyes; sending it again will not help."""


class Unavailable(ProviderError):
    """No answer in time, or the vendor's own fault; later may work.

    A pause, resume, stop or delete may have happened all the same, and may be repeated.

    Attributes:
        retry_after: the vendor's wish, a `timedelta`, if it said one
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None, **facts: Any) -> None:
        self.retry_after = retry_after
        super().__init__(message, **facts)


class OutcomeUnknown(ProviderError):
    """It was sent, and whether it happened is not known: look before you repeat it.

    Attributes:
        target: what was to be recorded
        parameters: what was asked for beside it, with credentials masked
        sent_at: when, aware, in UTC
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
    """An answer that does not say what the vendor documents.

    Attributes:
        path: where in it; the value is never shown
    """

    def __init__(self, message: str, *, path: str = "", **facts: Any) -> None:
        self.path = path
        super().__init__(message, **facts)


class PaginationError(ProviderError):
    """A listing whose pages repeat, never end, or point away from the vendor."""


class DownloadError(RecordingError):
    """No file was left behind.

    Attributes:
        provider: the provider's name
        recording_id: whose file it was to be
    """

    def __init__(self, message: str, *, provider: str = "", recording_id: str = "") -> None:
        self.provider = provider
        self.recording_id = recording_id
        super().__init__(message)

    def __str__(self) -> str:
        where = " ".join(part for part in (self.provider, self.recording_id) if part)
        return f"{where}: {self.message}" if where else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, dict(self.__dict__)))


class ChecksumMismatch(DownloadError):
    """All bytes came, and they are not those that the vendor announced."""


class Truncated(DownloadError):
    """Fewer bytes than announced, after all attempts."""


class NotMedia(DownloadError):
    """An error page, or another format than announced, in place of the media."""


class ForbiddenHost(DownloadError):
    """The media's address may not be fetched under the connection's `media_hosts`."""


class StorageError(DownloadError):
    """The disk refused: full, read-only, gone. An older file of that name is untouched."""


class WebhookRejected(RecordingError):
    """A callback that is not the vendor's, unreadable, or not taken.

    Attributes:
        status: the HTTP answer to give; 503 where it shall be sent again, since a listener (then
            the `__cause__`), the store of seen events, or the vendor's own key failed
    """

    def __init__(self, message: str, *, status: int = 400) -> None:
        self.status = status
        super().__init__(message)
