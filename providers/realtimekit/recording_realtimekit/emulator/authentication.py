"""Authentication: the checks of token, account and app that precede every route."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from recording_core.plugin import Request
from recording_realtimekit.emulator.responses import ErrorResponse, GatewayErrorResponse


def authenticate(request: Request, credentials: Mapping[str, str]) -> list[str]:
    """Check token, account and app, and return the path below the app. Raises `ErrorResponse`."""
    given = request.header("authorization")
    expected = f"Bearer {credentials['api_token']}"
    if given is None:
        raise GatewayErrorResponse(401, (9106, "Missing X-Auth-Key, X-Auth-Email or Authorization"))
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise GatewayErrorResponse(401, (10000, "Authentication error"))
    match request.segments():
        case ["client", "v4", "accounts", account, "realtime", "kit", app, *rest]:
            pass
        case _:
            raise build_route_error(request)
    if account != credentials["account_id"]:
        # The token is valid, but the account is not its own.
        raise GatewayErrorResponse(403, (10000, "Authentication error"))
    if app != credentials["app_id"]:
        raise ErrorResponse(404, "App not found")
    return rest


def build_route_error(request: Request) -> GatewayErrorResponse:
    """Build the gateway's error for a path that has no route."""
    message = f"Could not route to {request.path}, perhaps your object identifier is invalid?"
    return GatewayErrorResponse(404, (7003, message), (7000, "No route for that URI"), bare=True)
