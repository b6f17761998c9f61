"""Plugin: what Twilio supports and which settings it needs. Data only; it imports no client."""

from recording_core import ProviderInfo, Setting
from recording_core.plugin import StoragePrice, build_capabilities, hookimpl

#: A conference is recorded by TwiML or by a participant's request: no request of the recordings API
#: starts its recording, and `stopped` is not supported for it:
#: https://www.twilio.com/docs/voice/api/conference-recordings
INFO = ProviderInfo(
    name="twilio",
    label="Twilio",
    settings=(
        Setting("account_sid", "TWILIO_ACCOUNT_SID"),
        # The token, or a key with its secret. The token alone verifies webhooks.
        Setting("auth_token", "TWILIO_AUTH_TOKEN", secret=True, default=""),
        # An id, which belongs to one account as its secret does: the two are read together.
        Setting("api_key", "TWILIO_API_KEY", secret=True, default=""),
        Setting("api_secret", "TWILIO_API_SECRET", secret=True, default=""),
        Setting("region", "TWILIO_REGION", default=""),
        Setting("edge", "TWILIO_EDGE", default=""),
        Setting("pause_behavior", "TWILIO_PAUSE_BEHAVIOR", default=""),
    ),
    capabilities=build_capabilities(
        call="start pause resume stop active list get download delete",
        conference="pause resume active list get download delete",
    ),
    documentation="https://www.twilio.com/docs/voice/api/recording",
    client="recording_twilio.client:Twilio",
    webhooks="recording_twilio.webhooks:TwilioWebhooks",
    emulator="recording_twilio.emulator:TwilioEmulator",
    assumptions="recording_twilio.assumptions:ASSUMPTIONS",
    media_hosts=("api.twilio.com", "*.twilio.com"),
    # Twilio's list of prices for voice. The first 10,000 minutes of an account cost nothing, which
    # a price per minute cannot express.
    storage_price=StoragePrice(currency="USD", per_minute_month=0.0005),
)


@hookimpl
def recording_provider() -> ProviderInfo:
    return INFO
