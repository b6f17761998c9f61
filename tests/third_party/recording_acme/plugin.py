"""Plugin: what the Acme provider declares. This module imports no client and no HTTP library."""

from recording_core import ProviderInfo, Setting
from recording_core.plugin import build_capabilities, hookimpl


@hookimpl
def recording_provider() -> ProviderInfo:
    return ProviderInfo(
        name="acme",
        label="Acme Voice",
        settings=(Setting("key", "ACME_KEY", secret=True),),
        capabilities=build_capabilities(call="start stop active list get download delete"),
        documentation="https://acme.example/docs",
        client="recording_acme.client:AcmeVoice",
        webhooks="recording_acme.webhooks:AcmeWebhooks",
        emulator="recording_acme.emulator:AcmeEmulator",
        assumptions="recording_acme.assumptions:ASSUMPTIONS",
        media_hosts=("media.acme.example",),
    )
