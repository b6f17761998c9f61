"""Authentication at the emulated Audian: the account's key, accepted in three ways.

https://docs.audian.com/authentication exchanges the key for a short-lived token. The recording
pages send the key itself: some samples in `X-Auth-Token`, others in `Authorization`.
"""

from __future__ import annotations

import base64
import json
import random
from datetime import datetime, timedelta
from typing import Any

from attrs import define, field

from recording_audian.emulator.responses import ErrorResponse
from recording_core.plugin import Request


@define
class ApiKeys:
    """The account's key, and the tokens that it was exchanged for."""

    api_key: str
    account_id: str
    random: random.Random
    #: token -> when it expires
    tokens: dict[str, datetime] = field(factory=dict)

    def exchange_key(self, request: Request, now: datetime, lifetime: timedelta) -> dict[str, Any]:
        """Build the response to `PUT /v2/api_auth`. Raises `ErrorResponse`."""
        try:
            given = request.json()["data"]["api_key"]
        except (ValueError, TypeError, LookupError):
            given = None
        if given != self.api_key:
            raise ErrorResponse(401, "unauthorized", "invalid credentials")
        token = self._build_token()
        self.tokens[token] = now + lifetime
        owner = {"account_id": self.account_id, "owner_id": self._build_id(), "language": "en-us"}
        # https://docs.audian.com/authentication/api-keys
        return {
            "auth_token": token,
            "data": owner,
            "node": self._build_id(),
            "request_id": self._build_id(),
            "revision": "automatic",
            "status": "success",
            "tokens": {"consumed": 1, "remaining": 100},
            "version": "5.4.32.6",
        }

    def check_request(self, request: Request, now: datetime, *, exchange_only: bool) -> None:
        """Raise `ErrorResponse` unless the request has the key or a token that has not expired."""
        token, bearer = request.header("x-auth-token"), _read_bearer(request)
        if token is None and bearer is None:
            raise ErrorResponse(401, "missing_authentication", "Authentication is required")
        if token is not None and now < self.tokens.get(token, now):
            return
        # Undocumented: a request with both headers. One valid header is enough here.
        if exchange_only or self.api_key not in (token, bearer):
            raise ErrorResponse(401, "invalid_api_key", "The API key is invalid")

    def _build_token(self) -> str:
        """Build a token in the form of a JSON Web Token. Its signature is random bytes."""
        head = {"alg": "RS256", "typ": "JWT"}
        claims = {"iss": "kazoo", "account_id": self.account_id}
        parts = [json.dumps(part, separators=(",", ":")).encode() for part in (head, claims)]
        parts.append(self.random.randbytes(256))
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)

    def _build_id(self) -> str:
        return f"{self.random.getrandbits(128):032x}"


def read_credential(request: Request) -> str | None:
    """Read the key or token of a request, valid or not."""
    return request.header("x-auth-token") or _read_bearer(request)


def _read_bearer(request: Request) -> str | None:
    scheme, _, value = (request.header("authorization") or "").partition(" ")
    return value if scheme.lower() == "bearer" else None
