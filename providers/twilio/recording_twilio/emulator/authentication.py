"""Authentication at the emulated Twilio: HTTP basic, with the account's token or an API key."""

from __future__ import annotations

import base64
import random
from collections.abc import Mapping

from recording_core.plugin import Request


def build_sid(generator: random.Random, prefix: str) -> str:
    """Build a SID: two letters and 32 hexadecimal digits."""
    return f"{prefix}{generator.getrandbits(128):032x}"


def build_credentials(generator: random.Random) -> dict[str, str]:
    """Build the SID and the Auth Token of an account."""
    return {
        "account_sid": build_sid(generator, "AC"),
        "auth_token": f"{generator.getrandbits(128):032x}",
    }


def build_api_key(generator: random.Random) -> dict[str, str]:
    """Build the SID and the secret of an API key."""
    secret = base64.b32encode(generator.randbytes(20)).decode()
    return {"api_key": build_sid(generator, "SK"), "api_secret": secret}


def is_authenticated(request: Request, credentials: Mapping[str, str]) -> bool:
    """Whether the request carries these credentials: a SID, and its token or secret."""
    pair = base64.b64encode(":".join(credentials.values()).encode()).decode()
    return request.header("authorization") == f"Basic {pair}"
