"""Authentication at the emulated VoIPBin: a token or an access key, in one of five places."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import datetime, timedelta

from attrs import field, frozen

from recording_core.plugin import Request
from recording_voipbin.emulator.responses import ErrorResponse

#: https://docs.voipbin.net, Quickstart (authentication)
TOKEN_LIFETIME = timedelta(days=7)


@frozen
class EmulatedCustomer:
    """A customer. It issues tokens, has one access key, and checks credentials."""

    customer_id: str
    accesskey: str = field(repr=False)
    secret: bytes = field(repr=False)

    def build_token(self, now: datetime) -> str:
        """Build a JWT, as a login returns it."""
        expires = int((now + TOKEN_LIFETIME).timestamp())
        parts = ({"alg": "HS256", "typ": "JWT"}, {"customer_id": self.customer_id, "exp": expires})
        texts = (json.dumps(part, separators=(",", ":")) for part in parts)
        signed = ".".join(_encode(text.encode()) for text in texts)
        return f"{signed}.{self._compute_signature(signed)}"

    def check_request(self, request: Request, now: datetime) -> None:
        """Raise `ErrorResponse` unless the request has a credential of this customer."""
        # From VoIPBin's source: a token in any place takes precedence over an access key in any
        # place, so an expired token in a cookie makes a valid key useless. The cookie of an access
        # key precedes the query, and no other header contains one.
        cookies = _read_cookies(request)
        bearer = (request.header("authorization") or "").partition("Bearer ")[2]
        if token := cookies.get("token") or request.arg("token") or bearer:
            is_valid = self._is_valid_token(token, now)
        elif key := cookies.get("accesskey") or request.arg("accesskey"):
            is_valid = key == self.accesskey
        else:
            message = "Authentication required."
            raise ErrorResponse("UNAUTHENTICATED", "AUTHENTICATION_REQUIRED", message)
        if not is_valid:
            message = "The credential is not valid."
            raise ErrorResponse("UNAUTHENTICATED", "INVALID_CREDENTIALS", message)

    def _is_valid_token(self, token: str, now: datetime) -> bool:
        signed, _, signature = token.rpartition(".")
        if signature != self._compute_signature(signed):
            return False
        claims = signed.partition(".")[2]  # the signature is ours, so they can be decoded
        expires: int = json.loads(base64.urlsafe_b64decode(claims + "=="))["exp"]
        return now.timestamp() < expires

    def _compute_signature(self, signed: str) -> str:
        return _encode(hmac.digest(self.secret, signed.encode(), "sha256"))


def _read_cookies(request: Request) -> dict[str, str]:
    pairs = (part.partition("=") for part in (request.header("cookie") or "").split(";"))
    return {name.strip(): value for name, _, value in pairs}


def _encode(data: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
