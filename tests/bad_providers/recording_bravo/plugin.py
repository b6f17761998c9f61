"""Plugin: what the Bravo provider declares. This module imports no client and no HTTP library."""

from recording_core import ProviderInfo, Setting
from recording_core.plugin import build_capabilities, hookimpl


@hookimpl
def recording_provider() -> ProviderInfo:
    return ProviderInfo(
        name="bravo",
        label="Bravo Meet",
        settings=(Setting("token", "BRAVO_TOKEN", secret=True),),
        capabilities=build_capabilities(
            call="start pause resume stop active list get download delete",
            conference="pause resume stop active list get download delete",
            meeting="list get download delete",
        ),
        documentation="https://bravo.example/docs",
        client="recording_bravo.client:BravoMeet",
        webhooks="recording_bravo.webhooks:BravoWebhooks",
        emulator="recording_bravo.emulator:BravoEmulator",
        media_hosts=("media.bravo.example",),
    )
