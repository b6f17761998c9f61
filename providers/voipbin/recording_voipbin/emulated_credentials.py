"""Who may ask the emulated VoIPBin? A credential arrives by one of five carriers; one counts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from attrs import field, frozen

from recording_core.plugin import Request
from recording_voipbin.emulated_refusals import Refused

__all__ = ["Account"]

#: https://docs.voipbin.net, Quickstart (authentication)
TOKEN_LASTS = timedelta(days=7)


@frozen
class Account:
    """A customer: signs its tokens, has one access key, and checks what arrives."""

    customer_id: str
    accesskey: str = field(repr=False)
    secret: bytes = field(repr=False)

    def token(self, now: datetime) -> str:
        """A JWT, as a login gives it."""
        expires = int((now + TOKEN_LASTS).timestamp())
        claims = {"customer_id": self.customer_id, "exp": expires}
        signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def admit(self, request: Request, now: datetime) -> None:
        """Raises `Refused` unless a credential of this account arrived."""
        # Seen in its source: any carrier of a JWT beats any of an access key, so that a stale
        # cookie spoils a good key. No header carries an access key.
        cookies = _cookies(request)
        bearer = (request.header("authorization") or "").partition("Bearer ")[2]
        if token := cookies.get("token") or request.arg("token") or bearer:
            good = self._is_valid(token, now)
        elif key := cookies.get("accesskey") or request.arg("accesskey"):
            good = hmac.compare_digest(key.encode(), self.accesskey.encode())
        else:
            raise Refused("UNAUTHENTICATED", "AUTHENTICATION_REQUIRED", "Authentication required.")
        if not good:
            raise Refused("UNAUTHENTICATED", "INVALID_CREDENTIALS", "The credential is not valid.")

    def _is_valid(self, token: str, now: datetime) -> bool:
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return False
        claims = signed.partition(".")[2]  # signed by us, so they can be read
        expires: int = json.loads(base64.urlsafe_b64decode(claims + "=="))["exp"]
        return now.timestamp() < expires

    def _signature(self, signed: str) -> str:
        return _bare(hmac.new(self.secret, signed.encode(), hashlib.sha256).digest())


def _cookies(request: Request) -> dict[str, str]:
    pairs = (part.partition("=") for part in (request.header("cookie") or "").split(";"))
    return {name.strip(): unquote(value) for name, _, value in pairs}


def _encoded(value: Mapping[str, Any]) -> str:
    return _bare(json.dumps(value, separators=(",", ":")).encode())


def _bare(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
