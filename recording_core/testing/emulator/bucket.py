"""Bucket: an emulated vendor's object storage, which signs URLs and checks their signatures."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from urllib.parse import quote, urlencode

from attrs import field, frozen

from recording_core.testing.emulator.server import Reply, Request


@frozen
class EmulatedBucket:
    """A bucket that signs URLs of its objects, for GET only; a subclass sets the class variables.

    It has the parameters of S3's and Google's version 4, and an HMAC of its own as the signature:
    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    https://cloud.google.com/storage/docs/access-control/signed-urls
    """

    #: its name, with which every path begins
    name: ClassVar[str]
    #: how long a URL is valid
    lifetime: ClassVar[timedelta]
    #: the beginning of the parameters' names, such as `X-Amz-`
    prefix: ClassVar[str]
    algorithm: ClassVar[str]
    #: the key that signs, with the date as `{date}`
    credential: ClassVar[str]
    digest: ClassVar[str] = "sha256"
    #: the HTTP status, code and message of each error: `header` (credentials in a header),
    #: `unsigned`, `signature`, `expired` and `missing`
    errors: ClassVar[Mapping[str, tuple[int, str, str]]]
    xml_declaration: ClassVar[str] = '<?xml version="1.0" encoding="UTF-8"?>\n'
    content_type: ClassVar[str] = "application/xml"

    origin: str = ""
    secret: bytes = field(default=b"", repr=False)

    def sign_url(self, key: str, signed_at: datetime) -> str:
        """Build the signed URL of the object with this key. The object need not exist."""
        path = f"/{self.name}/{quote(key)}"
        stamp = signed_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        return f"{self.origin}{path}?{urlencode(self.build_query(path, stamp))}"

    def find_error(self, request: Request, now: datetime) -> Reply | None:
        """Return the error reply to a request, or None if its URL is valid."""
        if request.header("authorization") is not None:
            return self.build_error("header")
        stamp = request.arg(f"{self.prefix}Date") or ""
        if not re.fullmatch(r"\d{8}T\d{6}Z", stamp, re.ASCII):
            return self.build_error("unsigned")
        # The signature covers the method and every parameter: HEAD has another signature, and so
        # has a URL to which a parameter was added.
        if request.method != "GET" or list(request.query) != self.build_query(request.path, stamp):
            return self.build_error("signature")
        if now >= datetime.strptime(stamp, "%Y%m%dT%H%M%S%z") + self.lifetime:
            return self.build_error("expired")
        return None

    def build_error(self, error: str) -> Reply:
        """Build the reply of an error in `errors`."""
        status, code, message = self.errors[error]
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        headers = {"Content-Type": self.content_type}
        return Reply(status, (self.xml_declaration + body).encode(), headers)

    def build_query(self, path: str, stamp: str) -> list[tuple[str, str]]:
        """Build the parameters of a query, with the signature last."""
        values = {
            "Algorithm": self.algorithm,
            "Credential": self.credential.format(date=stamp[:8]),
            "Date": stamp,
            "Expires": f"{self.lifetime.total_seconds():.0f}",
            "SignedHeaders": "host",
        }
        parameters = [(self.prefix + name, value) for name, value in values.items()]
        signed = f"GET\n{path}\n{urlencode(parameters)}".encode()
        signature = hmac.new(self.secret, signed, self.digest).hexdigest()
        return [*parameters, (f"{self.prefix}Signature", signature)]
