"""The player signs as Dodo does."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from simulator import Occurrence, Player

AT = datetime(2026, 11, 1, tzinfo=UTC)
URL = "http://127.0.0.1:1/webhooks/dodo"


def secret_of(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


@given(key=st.binary(min_size=1, max_size=64), text=st.text())
def test_a_signature_verifies_with_its_secret_and_no_other(key: bytes, text: str) -> None:
    occurrence = Occurrence("msg_1", "payment.succeeded", AT, text.encode())
    headers = Player(URL, secret_of(key)).headers(occurrence)
    Webhook(secret_of(key)).verify(occurrence.body, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(key + b"x")).verify(occurrence.body, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(key)).verify(occurrence.body + b" ", headers, json_parse=False)


def test_a_secret_that_is_not_base64_is_refused() -> None:
    with pytest.raises(ValueError, match="base64"):
        Player(URL, "whsec_a")


def test_a_player_without_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="concurrency"):
        Player(URL, secret_of(b"key"), concurrency=0)
