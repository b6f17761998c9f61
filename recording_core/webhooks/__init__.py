"""What do vendors tell by themselves? Callbacks verified, read, and announced once."""

from recording_core.webhooks.scheme import WebhookScheme

__all__ = ["WebhookScheme"]
