"""Who may ask the emulated Audian? Who shows the account's key, in one of three ways.

https://docs.audian.com/authentication exchanges the key for a token of short life. The recording
pages put the key itself into `X-Auth-Token` in some samples, into `Authorization` in others.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import define, field

from recording_audian.emulated_answers import Refused
from recording_core.plugin import Request

__all__ = ["Keys", "shown_token"]


@define
class Keys:
    """The account's key, and the tokens that were given for it."""

    api_key: str
    account_id: str
    random: random.Random
    #: token -> when it is good no more
    tokens: dict[str, datetime] = field(factory=dict)

    def exchange(self, request: Request, now: datetime, lifetime: timedelta) -> dict[str, Any]:
        """The answer to `PUT /v2/api_auth`; or `Refused`."""
        try:
            given = request.json()["data"]["api_key"]
        except (ValueError, TypeError, LookupError):
            given = None
        if given != self.api_key:
            raise Refused(401, "unauthorized", "invalid credentials")
        token = self._signed({"iss": "kazoo", "account_id": self.account_id})
        self.tokens[token] = now + lifetime
        # https://docs.audian.com/authentication/api-keys
        return {
            "auth_token": token,
            "data": {"account_id": self.account_id, "owner_id": self._hex(), "language": "en-us"},
            "node": self._hex(),
            "request_id": self._hex(),
            "revision": "automatic",
            "status": "success",
            "tokens": {"consumed": 1, "remaining": 100},
            "version": "5.4.32.6",
        }

    def check(self, request: Request, now: datetime, *, exchange_only: bool) -> None:
        """Refuses who shows neither the key nor a token that is good."""
        token, bearer = request.header("x-auth-token"), _bearer(request)
        if token is None and bearer is None:
            raise Refused(401, "missing_authentication", "Authentication is required")
        if token is not None and now < self.tokens.get(token, now):
            return
        # Undocumented: what both headers together do. One that opens is enough, here.
        if exchange_only or self.api_key not in (token, bearer):
            raise Refused(401, "invalid_api_key", "The API key is invalid")

    def _signed(self, claims: Mapping[str, Any]) -> str:
        """A JSON web token by its looks; nobody but us could check the signature anyway."""
        head = {"alg": "RS256", "typ": "JWT"}
        parts = [json.dumps(part, separators=(",", ":")).encode() for part in (head, claims)]
        parts.append(self.random.randbytes(256))
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)

    def _hex(self) -> str:
        return f"{self.random.getrandbits(128):032x}"


def shown_token(request: Request) -> str | None:
    """What the request came with, good or not."""
    return request.header("x-auth-token") or _bearer(request)


def _bearer(request: Request) -> str | None:
    scheme, _, value = (request.header("authorization") or "").partition(" ")
    return value if scheme.lower() == "bearer" else None
