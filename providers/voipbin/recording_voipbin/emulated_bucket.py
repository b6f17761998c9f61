"""What answers at VoIPBin's signed URLs? Google's storage, which knows no VoIPBin credential.

https://cloud.google.com/storage/docs/access-control/signed-urls, version 4
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from attrs import field, frozen

from recording_core.plugin import Reply, Request

__all__ = ["SIGNED_FOR", "Bucket", "missing"]

SIGNED_FOR = timedelta(hours=24)


@frozen
class Bucket:
    """Signs URLs of its objects for GET and 24 hours, and checks what comes back."""

    origin: str
    secret: bytes = field(repr=False)
    #: undocumented
    name: str = "voipbin-emulated"

    def url(self, key: str, signed_at: datetime) -> str:
        """The signed URL of an object; there need be none."""
        path = f"/{self.name}/{quote(key)}"
        stamp = signed_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        return f"{self.origin}{path}?{urlencode(self._signed(path, stamp))}"

    def refusal(self, request: Request, now: datetime) -> Reply | None:
        """Why the request gets nothing; None where its URL is good."""
        if request.header("authorization") is not None:
            # The header is judged in place of the signature, and it is nothing to Google.
            return _error(401, "AuthenticationRequired", "Authentication required.")
        stamp = request.arg("X-Goog-Date") or ""
        if not re.fullmatch(r"\d{8}T\d{6}Z", stamp, re.ASCII):
            return _error(403, "AccessDenied", "Access denied.")
        # The method is signed too: a HEAD would want a URL of its own.
        if request.method != "GET" or list(request.query) != self._signed(request.path, stamp):
            return _error(403, "SignatureDoesNotMatch", "Access denied.")
        if now >= datetime.strptime(stamp, "%Y%m%dT%H%M%S%z") + SIGNED_FOR:
            return _error(403, "ExpiredToken", "The provided token has expired.")
        return None

    def _signed(self, path: str, stamp: str) -> list[tuple[str, str]]:
        """The parameters of the query in Go's order, which is the alphabet's."""
        account = "storage@voipbin-emulated.iam.gserviceaccount.com"
        parameters = {
            "X-Goog-Algorithm": "GOOG4-RSA-SHA256",
            "X-Goog-Credential": f"{account}/{stamp[:8]}/auto/storage/goog4_request",
            "X-Goog-Date": stamp,
            "X-Goog-Expires": f"{SIGNED_FOR.total_seconds():.0f}",
            "X-Goog-SignedHeaders": "host",
        }
        signed = f"GET\n{path}\n{urlencode(parameters)}".encode()
        signature = hmac.new(self.secret, signed, hashlib.sha512).hexdigest()
        return sorted({**parameters, "X-Goog-Signature": signature}.items())


def missing() -> Reply:
    """What a good URL of no object gets."""
    return _error(404, "NoSuchKey", "The specified key does not exist.")


def _error(status: int, code: str, message: str) -> Reply:
    body = "<?xml version='1.0' encoding='UTF-8'?>"
    body += f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Reply(status, body.encode(), {"Content-Type": "application/xml; charset=UTF-8"})
