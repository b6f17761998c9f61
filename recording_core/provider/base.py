"""Base: what an author of a provider sets and writes, and what a provider holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from recording_core.clock import Clock
from recording_core.listing.page import Page, Query, Window
from recording_core.model.entities import (
    CommunicationSession,
    MediaFile,
    Recording,
    RecordingSession,
)
from recording_core.model.enums import RecordingStatus, SessionKind
from recording_core.provider.connection import Connection
from recording_core.provider.start_request import StartRequest, SupportedParameters
from recording_core.transport.authentication import AuthBase, HTTPBasicAuth
from recording_core.transport.client import Transport
from recording_core.transport.status_codes import ErrorDetails

if TYPE_CHECKING:
    from recording_core.transport.media_client import MediaTransport


class ProviderBase(ABC):
    """What an author sets (`default_base_url`, tables) and writes (the underscored methods).

    `_auth` is required, and of the others those that the capabilities need.
    """

    #: the URL of the API, without a trailing slash
    default_base_url: ClassVar[str]
    #: requests per second that the vendor permits; `None` if it publishes no limit
    rate: ClassVar[float | None] = None
    #: requests at once, if the vendor publishes a limit; `None` for one minute's worth
    burst: ClassVar[float | None] = None
    #: seconds to wait for the first byte of media; more for a vendor that packs files first
    media_first_byte: ClassVar[float] = 60.0
    #: hosts that receive the API's credentials, over https, after they responded with 401
    credential_hosts: ClassVar[tuple[str, ...]] = ()
    #: the keywords of `start` that the vendor supports, by kind: a set, or keyword -> `Bounds`
    start_parameters: ClassVar[Mapping[SessionKind, SupportedParameters]] = {}
    #: whether the vendor documents a 404 with an empty body; without it such a 404 proves nothing
    empty_not_found: ClassVar[bool] = False
    #: final statuses that are inferred from the time: they never prevent one attempt to download
    inferred_statuses: ClassVar[frozenset[RecordingStatus]] = frozenset({RecordingStatus.EXPIRED})
    #: whether `get` and `active` show that a recording is paused. If not, the vendor's answer to
    #: `pause` or `resume` alone shows its effect
    get_shows_pauses: ClassVar[bool] = True
    #: the formats in which the vendor offers each file, for `download(format=)`
    download_formats: ClassVar[tuple[str, ...]] = ()
    #: the vendor's codes of errors after which a recording may have started nevertheless
    doubtful_start_codes: ClassVar[frozenset[str]] = frozenset()
    #: what the vendor's API cannot enumerate, in words, for `coverage.not_listable`
    not_listable: ClassVar[tuple[str, ...]] = ()
    #: the field of a recording's payload with the vendor's id of the account, if no setting has it
    account_field: ClassVar[str | None] = None
    #: the words of the API's paths, separated by spaces: telemetry shows them, and `{id}` in place
    #: of each other part
    path_words: ClassVar[str] = ""
    #: the paths of the fields that the vendor's pages show, such as `meeting.title`; the fields
    #: inside an object are left out if their names are data. `recordings doctor --assumptions`
    #: prints the others
    known_fields: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, connection: Connection) -> None:
        self.info = connection.info
        self.name = connection.info.name
        self.account = connection.account
        #: the ids of the vendor's account among the settings
        self.account_ids = connection.list_ids()
        self.clock: Clock = connection.clock
        self.http = connection.http
        auth, secrets = self._auth(connection.settings), connection.list_secrets()
        if isinstance(auth, HTTPBasicAuth):  # a vendor may echo them as they are sent
            name, password = str(auth.username), str(auth.password)
            secrets.append(b64encode(f"{name}:{password}".encode("latin1", "replace")).decode())
        self.transport = Transport(
            provider=self.name,
            base_url=connection.base_url or self.default_base_url,
            auth=auth,
            secrets=secrets,
            settings=connection.http,
            clock=self.clock,
            rate=self.rate,
            burst=self.burst,
            error_details=self._error_details,
            empty_not_found=self.empty_not_found,
            control=self._control,
            account=self.account,
            path_words=self.path_words,
        )
        #: not a `functools.cached_property`, whose lock a forked child could find closed
        self.__media: MediaTransport | None = None

    def close(self) -> None:
        """Close the HTTP connections that are kept alive. A later verb opens them again."""
        if self.__media is not None:
            self.__media.close()
        self.transport.close()

    @property
    def media(self) -> MediaTransport:
        """The client for media, imported at the first download."""
        if self.__media is None:
            from recording_core.transport.media_client import MediaTransport

            self.__media = MediaTransport(
                self.transport,
                vendor_hosts=self.info.media_hosts,
                credential_hosts=self.credential_hosts,
                first_byte_timeout=self.media_first_byte,
            )
        return self.__media

    @abstractmethod
    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        """Return the authentication of API requests.

        `HeaderAuth`, `TokenAuth`, `HTTPBasicAuth`, or a class of your own.
        """

    def _error_details(self, status: int, headers: Mapping[str, str], body: Any) -> ErrorDetails:
        """Read an error body, a JSON object. The default reads `message` and `code`, or `error`.

        After a request with `expect="text"` it is a text if it is not JSON. Set `kind` only if the
        HTTP status implies another error class, and `recognized` and `absent` if the vendor
        documents its error bodies.
        """
        if not isinstance(body, dict):
            return ErrorDetails()
        error = body.get("error")
        found = error if isinstance(error, dict) else body
        message, code = found.get("message") or error, found.get("code")
        return ErrorDetails(
            message=message if isinstance(message, str) and message else None,
            code=str(code) if type(code) in (int, str) and code != "" else None,
        )

    def _control(self) -> object:
        """Send the control request: a list that must succeed if the vendor's API answers.

        `stop`, `active` and `delete` send it after a 404 that names no resource. Raises
        `ProviderError`.
        """
        query = Query()
        return self._page(query, self._windows(query)[0], None)

    def _start(self, request: StartRequest) -> RecordingSession:
        """Start recording with one request of `RetryPolicy.NEVER`.

        Send what the caller gave, and `request.merge(body)` as the body. The session's id is `None`
        if the vendor returns none. Its `parameters` are the vendor's own parameters that later
        verbs must repeat; the shared ones are added. Its `start_id` is what webhooks about the
        recording repeat, if they name neither the recording nor the target.
        """
        raise NotImplementedError

    def _pause(self, session: RecordingSession) -> RecordingSession:
        """Pause recording. Succeed if it is already paused.

        What the session after this or another verb lacks is that of the session before: id, times,
        pauses, parameters, recordings.
        """
        raise NotImplementedError

    def _resume(self, session: RecordingSession) -> RecordingSession:
        """Resume recording. Succeed if it is not paused."""
        raise NotImplementedError

    def _stop(self, session: RecordingSession) -> RecordingSession:
        """Stop recording. Succeed if it has already ended."""
        raise NotImplementedError

    def _active(self, target: CommunicationSession) -> RecordingSession | None:
        """Find the running recording of a target, or `None`."""
        raise NotImplementedError

    def _windows(self, query: Query) -> Sequence[Window]:
        """Divide a sweep into windows, newest first. One window unless the vendor needs more."""
        return (Window(query.since, query.until),)

    def _page(self, query: Query, window: Window, cursor: Any) -> Page:
        """Read one page of a window. `cursor` is `None` for its first page."""
        raise NotImplementedError

    def _get(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        """Read one recording. `target` is set if the caller or the recording named one."""
        raise NotImplementedError

    def _normalize_target(self, target: CommunicationSession) -> CommunicationSession:
        """Return a target in the one form that sessions, events and recordings have it in.

        `start`, `active`, `list` and `get` call it. The default is for vendors with one form.
        """
        return target

    def _find_own_storage(self, recording: Recording) -> str | None:
        """Find the customer's own storage that the vendor's answer names, for messages."""
        return None

    def _offer_format(self, file: MediaFile, format: str) -> MediaFile:
        """Return a file as it is in another of the `download_formats`, such as by its suffix.

        Its size and checksum are `None`, unless the vendor reports them for that format.
        """
        raise NotImplementedError

    def _delete(self, recording_id: str, target: CommunicationSession | None) -> None:
        """Delete one recording. The transport raises `NotFound` for a 404."""
        raise NotImplementedError
