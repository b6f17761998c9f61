"""Webhooks: verify and parse deliveries, dispatch each event once.

The two applications are resolved on first use: importing them takes longer than most need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recording_core import attach_names

if TYPE_CHECKING:
    from recording_core.webhooks.asgi import asgi_app as asgi_app
    from recording_core.webhooks.wsgi import wsgi_app as wsgi_app
else:
    __getattr__, __dir__, __all__ = attach_names(
        __name__, {"webhooks.asgi": "asgi_app", "webhooks.wsgi": "wsgi_app"}
    )
