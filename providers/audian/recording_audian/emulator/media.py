"""Media: the host of the emulated Audian's temporary download URLs, which has no credentials.

https://docs.audian.com/call-control/call-recording: "a temporary download URL that's valid for 24
hours". Undocumented: its host, its parameters, and the response of an expired one.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

from attrs import frozen

from recording_audian.emulator.recordings import EmulatedRecording
from recording_core.plugin import MEDIA_TYPES, Reply, Request, build_file_reply

URL_LIFETIME = timedelta(hours=24)


@frozen
class TemporaryUrls:
    """Builds signed URLs, and checks the signatures of requests."""

    origin: str
    secret: bytes

    def build_url(self, name: str, now: datetime) -> str:
        """Build the temporary URL of a file."""
        path, expires = f"/recordings/{name}", str(int((now + URL_LIFETIME).timestamp()))
        signature = self._compute_signature(path, expires)
        return f"{self.origin}{path}?expires={expires}&signature={signature}"

    def find_error(self, request: Request, now: datetime) -> Reply | None:
        """Find the error that a request gets; None if its URL is valid."""
        # A credential is not an error: the host ignores it, and a test finds it in the journal.
        if request.method not in ("GET", "HEAD"):
            return build_media_error(405, "MethodNotAllowed")
        expires, signature = request.arg("expires") or "", request.arg("signature") or ""
        expected = self._compute_signature(request.path, expires)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return build_media_error(403, "SignatureDoesNotMatch")
        return build_media_error(403, "AccessDenied") if now.timestamp() >= int(expires) else None

    def _compute_signature(self, path: str, expires: str) -> str:
        return hmac.digest(self.secret, f"{path}\n{expires}".encode(), "sha256").hex()


def build_media_reply(request: Request, recording: EmulatedRecording) -> Reply:
    return build_file_reply(request, recording.build_content(), MEDIA_TYPES[recording.format])


def build_media_error(status: int, code: str) -> Reply:
    """Build an error of the media host, in XML."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return Reply(status, body.encode(), {"Content-Type": "application/xml"})
