"""Is a published key fetched rarely, from its origin alone, and never trusted when it is no key?"""

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
from recording_core.webhooks import public_key as published_key

Serve = Callable[..., tuple[str, list[Request]]]
BODY = b'{"event": "available", "id": "R1"}'

VENDOR = rsa.generate_private_key(public_exponent=65537, key_size=2048)
LATER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SMALL = rsa.generate_private_key(public_exponent=65537, key_size=1024)


def pem(key: rsa.RSAPrivateKey) -> str:
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, public).decode()


def published(key: rsa.RSAPrivateKey) -> Reply:
    return Reply.json({"success": True, "data": {"publicKey": pem(key)}})


def signed(key: rsa.RSAPrivateKey, body: bytes = BODY) -> rec.WebhookRequest:
    signature = base64.b64encode(key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()
    return rec.WebhookRequest("POST", "https://app.example/", {"X-Signature": signature}, body)


def receiver(origin: str, clock: ManualClock) -> rec.Receiver:
    return rec.Receiver("publishing", key_url=f"{origin}/key.json", clock=clock)


def refused(receiver: rec.Receiver, request: rec.WebhookRequest) -> int:
    with pytest.raises(rec.WebhookRejected) as caught:
        receiver.receive(request)
    return caught.value.status


@pytest.mark.usefixtures("made_up")
class TestPublishedKey:
    def test_it_is_fetched_once_and_kept(self, serve: Serve, clock: ManualClock) -> None:
        origin, journal = serve(published(VENDOR))
        ours = receiver(origin, clock)
        assert not journal  # nothing before a callback comes
        for _ in range(100):
            ours.receive(signed(VENDOR))
        assert [each.path for each in journal] == ["/key.json"]
        assert "authorization" not in journal[0].headers

    def test_a_thousand_forgeries_are_at_most_two_fetches(
        self, serve: Serve, clock: ManualClock
    ) -> None:
        origin, journal = serve(published(VENDOR))
        ours = receiver(origin, clock)
        ours.receive(signed(VENDOR))
        clock.advance(timedelta(hours=1))
        forged = signed(STRANGER)
        start = time.process_time()
        assert {refused(ours, forged) for _ in range(1000)} == {401}
        assert (time.process_time() - start) / 1000 < 0.01
        assert len(journal) == 2

    def test_forgeries_at_many_threads_share_one_fetch(self, clock: ManualClock) -> None:
        asked = []

        def slowly(request: Request) -> Reply:
            asked.append(request)
            time.sleep(0.2)
            return published(VENDOR)

        with LoopbackServer(slowly) as server:
            ours, forged = receiver(server.origin, clock), signed(STRANGER)
            barrier, statuses = threading.Barrier(16), list[int]()

            def forge() -> None:
                barrier.wait()
                statuses.append(refused(ours, forged))

            threads = [threading.Thread(target=forge) for _ in range(16)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
        assert statuses == [401] * 16
        assert len(asked) == 1

    def test_forgeries_while_the_vendor_is_away_do_not_ask_it_again(
        self, serve: Serve, clock: ManualClock
    ) -> None:
        origin, journal = serve(Reply(500), published(VENDOR))
        ours = receiver(origin, clock)
        assert {refused(ours, signed(STRANGER)) for _ in range(1000)} == {503}
        assert len(journal) == 1
        clock.advance(published_key.INTERVAL)
        assert ours.receive(signed(VENDOR))

    def test_a_new_key_is_found_when_a_check_fails(self, serve: Serve, clock: ManualClock) -> None:
        origin, journal = serve(published(VENDOR), published(LATER))
        ours = receiver(origin, clock)
        ours.receive(signed(VENDOR))
        assert refused(ours, signed(LATER)) == 401  # asked for a moment ago
        clock.advance(published_key.INTERVAL)
        assert ours.receive(signed(LATER))
        assert refused(ours, signed(VENDOR)) == 401
        assert len(journal) == 2

    def test_a_withdrawn_key_is_not_trusted_for_ever(
        self, serve: Serve, clock: ManualClock
    ) -> None:
        origin, _ = serve(published(VENDOR), published(LATER))
        ours = receiver(origin, clock)
        ours.receive(signed(VENDOR))
        clock.advance(published_key.STALE)
        assert refused(ours, signed(VENDOR)) == 401

    def test_a_stale_key_serves_while_the_vendor_is_away(
        self, serve: Serve, clock: ManualClock
    ) -> None:
        origin, _ = serve(published(VENDOR), Reply(500))
        ours = receiver(origin, clock)
        ours.receive(signed(VENDOR))
        clock.advance(published_key.STALE)
        assert ours.receive(signed(VENDOR))

    def test_whether_a_key_is_new_is_unknown_while_the_vendor_is_away(
        self, serve: Serve, clock: ManualClock
    ) -> None:
        # A vendor that is answered 401 sends no more: with a new key, the event would be lost.
        origin, journal = serve(published(VENDOR), Reply(500), published(LATER))
        ours = receiver(origin, clock)
        ours.receive(signed(VENDOR))
        clock.advance(published_key.INTERVAL)
        assert [refused(ours, signed(LATER)) for _ in range(100)] == [503] * 100
        assert len(journal) == 2
        assert ours.receive(signed(VENDOR))
        clock.advance(published_key.INTERVAL)
        assert ours.receive(signed(LATER))
        assert refused(ours, signed(STRANGER)) == 401

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
            published(SMALL),
            Reply(abort=True),
            Reply(200, b"{}", cut_after=1),
        ],
        ids=range(14),
    )
    def test_an_answer_that_is_no_key_is_503_so_that_it_is_sent_again(
        self, serve: Serve, clock: ManualClock, answer: Reply
    ) -> None:
        origin, journal = serve(answer, published(VENDOR))
        ours = receiver(origin, clock)
        assert refused(ours, signed(VENDOR)) == 503
        assert len(journal) == 1  # neither repeated nor redirected
        clock.advance(published_key.INTERVAL)
        assert ours.receive(signed(VENDOR))

    @pytest.mark.parametrize("stall", ["headers", "body"])
    def test_a_vendor_that_hangs_is_not_waited_for(
        self, serve: Serve, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, stall: Any
    ) -> None:
        monkeypatch.setattr(published_key, "PATIENCE", 0.3)
        origin, _ = serve(Reply(200, b"{}", stall=stall))
        start = time.monotonic()
        assert refused(receiver(origin, clock), signed(VENDOR)) == 503
        assert time.monotonic() - start < 5  # the vendor would have answered after 30

    def test_a_key_that_was_given_is_the_only_one(self, clock: ManualClock) -> None:
        ours = rec.receiver("publishing", key=[pem(LATER), pem(VENDOR)])
        for key in (VENDOR, LATER):
            assert ours.receive(signed(key))
        assert refused(ours, signed(STRANGER)) == 401
        (event,) = rec.receive("publishing", signed(VENDOR), key=pem(VENDOR))
        assert event.recording_id == "R1"

    @pytest.mark.parametrize(
        "url",
        ["http://keys.example/k", "ftp://keys.example/k", "https://u:p@keys.example/k", "no url"],
    )
    def test_its_address_is_https_or_loopback(self, url: str) -> None:
        with pytest.raises(rec.ConfigurationError, match="key_url"):
            rec.Receiver("publishing", key_url=url)

    def test_a_small_key_is_no_key(self) -> None:
        with pytest.raises(rec.ConfigurationError):
            rec.receiver("publishing", key=pem(SMALL))
