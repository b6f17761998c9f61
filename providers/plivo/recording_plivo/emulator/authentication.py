"""Authentication at the emulated Plivo: HTTP basic, with an Auth ID and an Auth Token."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Mapping

from recording_core.plugin import Request


def build_credentials(generator: random.Random, prefix: str) -> dict[str, str]:
    """Build credentials that the official client's validators accept.

    `prefix` is `MA` for a main account or `SA` for a subaccount; 18 characters follow it.
    """
    id = "".join(generator.choices(string.ascii_uppercase + string.digits, k=18))
    token = "".join(generator.choices(string.ascii_letters + string.digits, k=40))
    return {"auth_id": prefix + id, "auth_token": token}


def is_authenticated(request: Request, credentials: Mapping[str, str]) -> bool:
    """Whether the request carries these credentials."""
    pair = f"{credentials['auth_id']}:{credentials['auth_token']}"
    expected = base64.b64encode(pair.encode()).decode()
    return request.header("authorization") == f"Basic {expected}"
