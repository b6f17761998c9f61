"""Public key: fetched rarely, from the vendor's origin only, rejected if invalid, and replaced."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import recording_core as rec
from recording_core.testing import LoopbackServer, ManualClock, Reply, Request
from recording_core.webhooks import public_key

Serve = Callable[..., tuple[str, list[Request]]]
BODY = b'{"event": "available", "id": "R1"}'

VENDOR = rsa.generate_private_key(public_exponent=65537, key_size=2048)
LATER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
FORGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SMALL = rsa.generate_private_key(public_exponent=65537, key_size=1024)


def encode_pem(key: rsa.RSAPrivateKey) -> str:
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, public).decode()


def build_key_reply(key: rsa.RSAPrivateKey) -> Reply:
    return Reply.json({"success": True, "data": {"publicKey": encode_pem(key)}})


def sign(key: rsa.RSAPrivateKey, body: bytes = BODY) -> rec.WebhookRequest:
    signature = base64.b64encode(key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()
    return rec.WebhookRequest("POST", "https://app.example/", {"X-Signature": signature}, body)


def receiver(origin: str, manual_clock: ManualClock) -> rec.Receiver:
    return rec.Receiver("publishing", key_url=f"{origin}/key.json", clock=manual_clock)


def get_rejection_status(receiver: rec.Receiver, request: rec.WebhookRequest) -> int:
    with pytest.raises(rec.WebhookRejected) as caught:
        receiver.receive(request)
    return caught.value.status


@pytest.mark.usefixtures("made_up")
class TestPublicKey:
    def test_key_is_fetched_once_and_cached(self, serve: Serve, manual_clock: ManualClock) -> None:
        origin, journal = serve(build_key_reply(VENDOR))
        ours = receiver(origin, manual_clock)
        assert not journal  # nothing is fetched before a webhook arrives
        for _ in range(100):
            ours.receive(sign(VENDOR))
        assert [each.path for each in journal] == ["/key.json"]
        assert "authorization" not in journal[0].headers

    def test_a_thousand_forgeries_cause_at_most_two_fetches(
        self, serve: Serve, manual_clock: ManualClock
    ) -> None:
        origin, journal = serve(build_key_reply(VENDOR))
        ours = receiver(origin, manual_clock)
        ours.receive(sign(VENDOR))
        manual_clock.advance(timedelta(hours=1))
        forged = sign(FORGER)
        start = time.process_time()
        statuses = [get_rejection_status(ours, forged) for _ in range(1000)]
        # The key was fetched after the first had arrived. A newer one may verify the others.
        assert statuses == [401] + [503] * 999
        assert (time.process_time() - start) / 1000 < 0.01
        assert len(journal) == 2

    def test_forgeries_in_many_threads_share_one_fetch(self, manual_clock: ManualClock) -> None:
        journal = []

        def reply_slowly(request: Request) -> Reply:
            journal.append(request)
            time.sleep(0.2)
            return build_key_reply(VENDOR)

        with LoopbackServer(reply_slowly) as server:
            ours, forged = receiver(server.origin, manual_clock), sign(FORGER)
            barrier, statuses = threading.Barrier(16), list[int]()

            def forge() -> None:
                barrier.wait()
                statuses.append(get_rejection_status(ours, forged))

            threads = [threading.Thread(target=forge) for _ in range(16)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
        assert len(statuses) == 16
        assert set(statuses) <= {401, 503}
        assert len(journal) == 1

    def test_webhook_of_a_cached_key_does_not_wait_for_the_fetch_of_a_forged_one(
        self, manual_clock: ManualClock
    ) -> None:
        fetching, finish = threading.Event(), threading.Event()
        replies = [0]

        def reply(request: Request) -> Reply:
            replies[0] += 1
            if replies[0] > 1:
                fetching.set()
                finish.wait(10)
            return build_key_reply(VENDOR)

        with LoopbackServer(reply) as server:
            ours = receiver(server.origin, manual_clock)
            ours.receive(sign(VENDOR))
            manual_clock.advance(public_key.MAX_AGE)  # even if the key is to be fetched again
            thread = threading.Thread(target=lambda: get_rejection_status(ours, sign(FORGER)))
            thread.start()
            assert fetching.wait(10)
            began = time.monotonic()
            assert ours.receive(sign(VENDOR))
            # Another forged webhook does not wait either: forged ones must not occupy all threads.
            assert get_rejection_status(ours, sign(FORGER)) == 503
            assert time.monotonic() - began < 2
            finish.set()
            thread.join()

    def test_forgeries_while_the_vendor_is_unavailable_cause_one_fetch(
        self, serve: Serve, manual_clock: ManualClock
    ) -> None:
        origin, journal = serve(Reply(500), build_key_reply(VENDOR))
        ours = receiver(origin, manual_clock)
        assert {get_rejection_status(ours, sign(FORGER)) for _ in range(1000)} == {503}
        assert len(journal) == 1
        manual_clock.advance(public_key.MIN_FETCH_INTERVAL)
        assert ours.receive(sign(VENDOR))

    def test_new_key_is_fetched_after_a_failed_check(
        self, serve: Serve, manual_clock: ManualClock
    ) -> None:
        origin, journal = serve(build_key_reply(VENDOR), build_key_reply(LATER))
        ours = receiver(origin, manual_clock)
        ours.receive(sign(VENDOR))
        # Fetched a moment ago: a vendor sends again after a 503, and not after a 401.
        assert get_rejection_status(ours, sign(LATER)) == 503
        manual_clock.advance(public_key.MIN_FETCH_INTERVAL)
        assert ours.receive(sign(LATER))
        assert len(journal) == 2

    def test_forgeries_delay_a_new_key_by_a_minute_and_lose_no_webhook(
        self, serve: Serve, manual_clock: ManualClock
    ) -> None:
        origin, journal = serve(*[build_key_reply(VENDOR)] * 2, build_key_reply(LATER))
        ours = receiver(origin, manual_clock)
        ours.receive(sign(VENDOR))
        statuses = []
        for _ in range(12):  # two minutes; the vendor has a new key from the second fetch on
            manual_clock.advance(timedelta(seconds=10))
            get_rejection_status(ours, sign(FORGER))
            try:
                ours.receive(sign(LATER, b'{"event": "available", "id": "R2"}'))
                statuses.append(200)
            except rec.WebhookRejected as error:
                statuses.append(error.status)
        assert statuses == [503] * 11 + [200]
        assert len(journal) == 3

    def test_replaced_key_is_accepted_while_the_vendor_sends_again(
        self, serve: Serve, manual_clock: ManualClock
    ) -> None:
        origin, journal = serve(build_key_reply(VENDOR), build_key_reply(LATER))
        ours = receiver(origin, manual_clock)
        ours.receive(sign(VENDOR))
        manual_clock.advance(public_key.MIN_FETCH_INTERVAL)
        ours.receive(sign(LATER))
        manual_clock.advance(public_key.REPLACED_KEY_LIFETIME - timedelta(seconds=1))
        for key in (VENDOR, LATER):
            assert ours.receive(sign(key))
        assert len(journal) == 2

    def test_keys_that_alternate_are_both_accepted(
        self, serve: Serve, manual_clock: ManualClock
    ) -> None:
        # Servers of one address may return the old and the new key for a while.
        keys = [VENDOR, LATER, VENDOR, LATER]
        origin, _ = serve(*map(build_key_reply, keys))
        ours = receiver(origin, manual_clock)
        for key in keys:
            assert ours.receive(sign(key))
            get_rejection_status(ours, sign(FORGER))
            manual_clock.advance(public_key.MIN_FETCH_INTERVAL)
        assert all(ours.receive(sign(key)) for key in keys)

    def test_withdrawn_key_is_not_trusted_for_ever(
        self, serve: Serve, manual_clock: ManualClock
    ) -> None:
        origin, _ = serve(build_key_reply(VENDOR), build_key_reply(LATER))
        ours = receiver(origin, manual_clock)
        ours.receive(sign(VENDOR))
        manual_clock.advance(public_key.MAX_AGE)
        assert ours.receive(sign(VENDOR))
        manual_clock.advance(public_key.REPLACED_KEY_LIFETIME)
        assert get_rejection_status(ours, sign(VENDOR)) == 401

    def test_old_key_is_used_while_the_vendor_is_unavailable(
        self, serve: Serve, manual_clock: ManualClock
    ) -> None:
        origin, _ = serve(build_key_reply(VENDOR), Reply(500))
        ours = receiver(origin, manual_clock)
        ours.receive(sign(VENDOR))
        manual_clock.advance(public_key.MAX_AGE)
        assert ours.receive(sign(VENDOR))

    def test_unknown_signature_is_503_while_the_vendor_is_unavailable(
        self, serve: Serve, manual_clock: ManualClock
    ) -> None:
        # A vendor does not send again after a 401: with a new key, the event would be lost.
        origin, journal = serve(build_key_reply(VENDOR), Reply(500), build_key_reply(LATER))
        ours = receiver(origin, manual_clock)
        ours.receive(sign(VENDOR))
        manual_clock.advance(public_key.MIN_FETCH_INTERVAL)
        assert [get_rejection_status(ours, sign(LATER)) for _ in range(100)] == [503] * 100
        assert len(journal) == 2
        assert ours.receive(sign(VENDOR))
        manual_clock.advance(public_key.MIN_FETCH_INTERVAL)
        assert ours.receive(sign(LATER))
        assert get_rejection_status(ours, sign(FORGER)) == 503
        manual_clock.advance(public_key.MIN_FETCH_INTERVAL)
        assert get_rejection_status(ours, sign(FORGER)) == 401

    @pytest.mark.parametrize(
        "answer",
        [
            Reply(302, headers={"Location": "/other.json"}),
            Reply(301, headers={"Location": "https://evil.example/key.json"}),
            Reply(404, b"gone"),
            Reply(200, b"<html>welcome to the hotel</html>", {"Content-Type": "text/html"}),
            Reply(200, b""),
            Reply.json({"success": True}),
            Reply.json({"data": {"publicKey": 7}}),
            Reply.json(["publicKey"]),
            Reply(200, b"[" * 50_000),
            Reply(200, json.dumps({"data": {"publicKey": "k" * 100_000}}).encode()),
            Reply.json({"data": {"publicKey": "-----BEGIN PUBLIC KEY-----"}}),
            build_key_reply(SMALL),
            Reply(abort=True),
            Reply(200, b"{}", cut_after=1),
        ],
        ids=range(14),
    )
    def test_response_without_a_valid_key_is_503(
        self, serve: Serve, manual_clock: ManualClock, answer: Reply
    ) -> None:
        origin, journal = serve(answer, build_key_reply(VENDOR))
        ours = receiver(origin, manual_clock)
        assert get_rejection_status(ours, sign(VENDOR)) == 503
        assert len(journal) == 1  # neither retried nor redirected
        manual_clock.advance(public_key.MIN_FETCH_INTERVAL)
        assert ours.receive(sign(VENDOR))

    @pytest.mark.parametrize("stall", ["headers", "body"])
    def test_fetch_from_a_silent_vendor_times_out(
        self, serve: Serve, manual_clock: ManualClock, monkeypatch: pytest.MonkeyPatch, stall: Any
    ) -> None:
        monkeypatch.setattr(public_key, "FETCH_TIMEOUT", 0.3)
        origin, _ = serve(Reply(200, b"{}", stall=stall))
        start = time.monotonic()
        assert get_rejection_status(receiver(origin, manual_clock), sign(VENDOR)) == 503
        assert time.monotonic() - start < 5  # the vendor would have answered after 30

    def test_given_keys_are_the_only_ones(self, manual_clock: ManualClock) -> None:
        ours = rec.receiver("publishing", key=[encode_pem(LATER), encode_pem(VENDOR)])
        for key in (VENDOR, LATER):
            assert ours.receive(sign(key))
        assert get_rejection_status(ours, sign(FORGER)) == 401
        (event,) = rec.receive("publishing", sign(VENDOR), key=encode_pem(VENDOR))
        assert event.recording_id == "R1"

    @pytest.mark.parametrize(
        "url",
        [
            "http://keys.example/k",
            "ftp://keys.example/k",
            "https://u:p@keys.example/k",
            "not a URL",
        ],
    )
    def test_key_url_must_be_https_or_loopback(self, url: str) -> None:
        with pytest.raises(rec.ConfigurationError, match="key_url"):
            rec.Receiver("publishing", key_url=url)

    def test_small_key_is_rejected(self) -> None:
        with pytest.raises(rec.ConfigurationError):
            rec.receiver("publishing", key=encode_pem(SMALL))
