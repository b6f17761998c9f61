"""What answers at Audian's temporary URLs? A host of its own, that knows no account and no key.

https://docs.audian.com/call-control/call-recording: "a temporary download URL that's valid for 24
hours". Undocumented: its host, its parameters, and what an expired one is told.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta

from attrs import frozen

from recording_core.plugin import Reply, Request

__all__ = ["VALID", "Links", "missing"]

VALID = timedelta(hours=24)


@frozen
class Links:
    """Signs URLs, and looks at the signatures that come back."""

    origin: str
    secret: bytes

    def url(self, name: str, now: datetime) -> str:
        path, expires = f"/recordings/{name}", str(int((now + VALID).timestamp()))
        return f"{self.origin}{path}?expires={expires}&signature={self._signature(path, expires)}"

    def refusal(self, request: Request, now: datetime) -> Reply | None:
        """Why the request gets nothing; None where its URL is good.

        A credential that comes along is no reason: the host does not look, and the journal does.
        """
        if request.method not in ("GET", "HEAD"):
            return _error(405, "MethodNotAllowed")
        expires, signature = request.arg("expires") or "", request.arg("signature") or ""
        expected = self._signature(request.path, expires)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return _error(403, "SignatureDoesNotMatch")
        return _error(403, "AccessDenied") if now.timestamp() >= int(expires) else None

    def _signature(self, path: str, expires: str) -> str:
        return hmac.digest(self.secret, f"{path}\n{expires}".encode(), hashlib.sha256).hex()


def missing() -> Reply:
    """What a good URL of a vanished recording gets."""
    return _error(404, "NoSuchKey")


def _error(status: int, code: str) -> Reply:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return Reply(status, body.encode(), {"Content-Type": "application/xml"})
