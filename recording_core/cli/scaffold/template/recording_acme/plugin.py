"""Plugin: what the provider declares. This imports no client and no HTTP library."""

from recording_core import ProviderInfo, Setting
from recording_core.plugin import build_capabilities, hookimpl


@hookimpl
def recording_provider() -> ProviderInfo:
    return ProviderInfo(
        name="acme",
        label="Acme Voice",
        # FILL IN: each setting that `connect` needs, its variable, whether it is secret (section 2)
        settings=(Setting("key", "ACME_KEY", secret=True),),
        # FILL IN: the operations that the vendor's API has, for each kind (section 2)
        capabilities=build_capabilities(call="start stop active list get download delete"),
        # FILL IN: the address of the vendor's documentation, and below its media hosts (section 2)
        documentation="https://acme.example/docs",
        client="recording_acme.client:AcmeProvider",
        webhooks="recording_acme.webhooks:AcmeWebhooks",
        emulator="recording_acme.emulator:AcmeEmulator",
        assumptions="recording_acme.assumptions:ASSUMPTIONS",
        media_hosts=("media.acme.example",),
    )
