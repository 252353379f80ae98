"""Signing: an old delivery is as genuine as it was on the day it arrived."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from standardwebhooks import Webhook

from domain.delivery import Delivery
from ledger.integrity.signatures import SECRETS_MAX, SecretError, StoredSignatures, signing_keys

SECRET = "whsec_dGhlIHNlY3JldCBpbiBoYW5k"
OTHER = "whsec_YW5vdGhlciBzZWNyZXQu"
SENT_AT = datetime(2020, 2, 29, 12, tzinfo=UTC)
BODY = '{"note": "é, to the byte"} '


def signature(secret: str = SECRET) -> str:
    return Webhook(secret).sign("msg_1", SENT_AT, BODY)


def delivery(**changes: str | bytes) -> Delivery:
    sent = Delivery("msg_1", str(int(SENT_AT.timestamp())), signature(), BODY.encode())
    return msgspec.structs.replace(sent, **changes)


def test_a_delivery_of_years_ago_verifies() -> None:
    assert StoredSignatures([SECRET])(delivery()) is None


@pytest.mark.parametrize("secrets", [[SECRET, OTHER], [OTHER, SECRET]])
def test_any_of_the_secrets_will_do(secrets: list[str]) -> None:
    assert StoredSignatures(secrets)(delivery()) is None


@pytest.mark.parametrize(
    "header",
    [
        f"{signature(OTHER)} {signature()}",
        f"{signature()} {signature(OTHER)}",
        f"v1a,YW5vdGhlcg== v1 v1,! , {signature()}",
    ],
)
def test_any_of_several_signatures_will_do(header: str) -> None:
    assert StoredSignatures([SECRET])(delivery(webhook_signature=header)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook_id": "msg_2"},
        {"webhook_timestamp": str(int(SENT_AT.timestamp()) + 1)},
        {"webhook_signature": signature(OTHER)},
        {"webhook_signature": signature().replace("v1,", "v2,")},
        {"webhook_signature": ""},
        {"webhook_signature": "v1,"},
        {"webhook_signature": "v1,é"},
        {"body": BODY.strip().encode()},
        {"body": b""},
    ],
)
def test_what_is_not_what_was_signed_does_not_verify(changes: dict[str, str | bytes]) -> None:
    reason = StoredSignatures([SECRET])(delivery(**changes))
    assert reason == "no signature matches the body under any of the secrets"


@pytest.mark.parametrize("timestamp", ["", "noon", "nan", "inf", "1e300", "-1e300"])
def test_a_timestamp_that_is_none_is_told(timestamp: str) -> None:
    reason = StoredSignatures([SECRET])(delivery(webhook_timestamp=timestamp))
    assert reason == "webhook-timestamp is not a number of seconds"


def test_a_body_that_is_not_utf_8_was_never_signed() -> None:
    assert StoredSignatures([SECRET])(delivery(body=b"\xff")) == "the body is not UTF-8"


def test_prefix_and_padding_of_a_secret_may_be_missing() -> None:
    assert signing_keys(["whsec_YWI=", "YWI=", "whsec_YWI", "YWI"]) == [b"ab"] * 4


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "whsec_YWI=x", "whsec_é"])
def test_a_secret_that_is_none_is_refused_and_not_quoted(secret: str) -> None:
    with pytest.raises(SecretError, match=r"^secret 2 is ") as refused:
        StoredSignatures([SECRET, secret])
    assert not secret or secret not in str(refused.value).replace("whsec_ and base64", "")


@pytest.mark.parametrize("count", [0, SECRETS_MAX + 1])
def test_no_secret_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(SecretError, match="between 1 and 8"):
        StoredSignatures([SECRET] * count)
