"""Webhooks: deliveries verified, parsed, and dispatched once. Each name is resolved on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recording_core import build_name_table, resolve_name

if TYPE_CHECKING:
    from recording_core.webhooks.asgi import asgi_app
    from recording_core.webhooks.receiver import Receiver
    from recording_core.webhooks.reconcile import Reconciliation
    from recording_core.webhooks.replay_store import (
        MemoryReplayStore,
        ReplayStore,
        SqliteReplayStore,
    )
    from recording_core.webhooks.scheme import WebhookScheme
    from recording_core.webhooks.wsgi import wsgi_app

__all__ = [
    "MemoryReplayStore",
    "Receiver",
    "Reconciliation",
    "ReplayStore",
    "SqliteReplayStore",
    "WebhookScheme",
    "asgi_app",
    "wsgi_app",
]

#: name -> the module that defines it
_MODULES = build_name_table(
    {
        "webhooks.asgi": "asgi_app",
        "webhooks.receiver": "Receiver",
        "webhooks.reconcile": "Reconciliation",
        "webhooks.replay_store": "MemoryReplayStore ReplayStore SqliteReplayStore",
        "webhooks.scheme": "WebhookScheme",
        "webhooks.wsgi": "wsgi_app",
    }
)


if not TYPE_CHECKING:  # a type checker then reports a name that does not exist

    def __getattr__(name: str) -> Any:
        value = globals()[name] = resolve_name(__name__, _MODULES, name)
        return value


def __dir__() -> list[str]:
    return __all__
