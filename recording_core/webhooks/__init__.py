"""What do vendors tell by themselves? Callbacks verified, read, and announced once.

Nothing here is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recording_core.webhooks.asgi import asgi_app
    from recording_core.webhooks.receiver import Receiver
    from recording_core.webhooks.reconcile import Reconciliation
    from recording_core.webhooks.scheme import WebhookScheme
    from recording_core.webhooks.seen import MemorySeen, Seen, SqliteSeen
    from recording_core.webhooks.wsgi import wsgi_app

__all__ = [
    "MemorySeen",
    "Receiver",
    "Reconciliation",
    "Seen",
    "SqliteSeen",
    "WebhookScheme",
    "asgi_app",
    "wsgi_app",
]

_WHERE = {
    "MemorySeen": "seen",
    "Receiver": "receiver",
    "Reconciliation": "reconcile",
    "Seen": "seen",
    "SqliteSeen": "seen",
    "WebhookScheme": "scheme",
    "asgi_app": "asgi",
    "wsgi_app": "wsgi",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
