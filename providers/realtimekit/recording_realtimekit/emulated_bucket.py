"""What answers at RealtimeKit's presigned URLs? A bucket that knows no account and no token."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from attrs import frozen

from recording_core.plugin import Reply, Request

__all__ = ["KEPT", "Bucket", "missing"]

#: how long a URL is good, and its file is kept:
#: https://developers.cloudflare.com/realtime/realtimekit/data-retention/
KEPT = timedelta(days=7)

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
ONE_MECHANISM = (
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
    "string parameter or the Authorization header should be specified"
)
WRONG_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your key and signing method."
)


@frozen
class Bucket:
    """Signs URLs of its objects for seven days, and looks at the signatures that come back."""

    origin: str
    secret: bytes
    name: str = "rtk-recordings"

    def url(self, key: str, signed_at: datetime) -> str:
        """The presigned URL of an object."""
        path = f"/{self.name}/{quote(key)}"
        stamp = signed_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        return f"{self.origin}{path}?{urlencode(self._signed(path, stamp))}"

    def refusal(self, request: Request, now: datetime) -> Reply | None:
        """Why the request gets nothing; None where its URL is good."""
        if request.header("authorization") is not None:
            return _error(400, "InvalidArgument", ONE_MECHANISM)
        stamp = request.arg("X-Amz-Date") or ""
        if not re.fullmatch(r"\d{8}T\d{6}Z", stamp, re.ASCII):
            return _error(403, "AccessDenied", "Access Denied")
        # The signature covers the method and every parameter: HEAD has another one, and so has a
        # URL to which somebody added something.
        if request.method != "GET" or list(request.query) != self._signed(request.path, stamp):
            return _error(403, "SignatureDoesNotMatch", WRONG_SIGNATURE)
        if now >= datetime.strptime(stamp, "%Y%m%dT%H%M%S%z") + KEPT:
            return _error(403, "AccessDenied", "Request has expired")
        return None

    def _signed(self, path: str, stamp: str) -> list[tuple[str, str]]:
        """The parameters of the query, the signature last."""
        parameters = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", f"EMULATED/{stamp[:8]}/auto/s3/aws4_request"),
            ("X-Amz-Date", stamp),
            ("X-Amz-Expires", f"{KEPT.total_seconds():.0f}"),
            ("X-Amz-SignedHeaders", "host"),
        ]
        signed = f"GET\n{path}\n{urlencode(parameters)}".encode()
        return [
            *parameters,
            ("X-Amz-Signature", hmac.new(self.secret, signed, hashlib.sha256).hexdigest()),
        ]


def missing() -> Reply:
    """What a good URL of a vanished object gets."""
    return _error(404, "NoSuchKey", "The specified key does not exist.")


def _error(status: int, code: str, message: str) -> Reply:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
    body += f"<Message>{message}</Message></Error>"
    return Reply(status, body.encode(), {"Content-Type": "application/xml"})
