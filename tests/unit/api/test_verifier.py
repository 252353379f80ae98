"""Which deliveries count as signed, and why the others do not."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from standardwebhooks import Webhook

from api.webhooks.verifier import UnverifiedError, Verifier
from domain.delivery import Delivery
from ledger.integrity.signatures import SecretError

OLD = "whsec_" + base64.b64encode(b"the old secret's bytes!!").decode()
NEW = "whsec_" + base64.b64encode(b"the new secret's bytes!!").decode()
BODY = '{"type": "payment.succeeded", "data": {"name": "Zoë 🦤"}}'.encode()


def signed(
    *secrets: str, body: bytes = BODY, webhook_id: str = "msg_1", ago: timedelta = timedelta()
) -> Delivery:
    """Sign a delivery as Dodo does, under each secret, as if it had been sent a while ago."""
    at = datetime.now(UTC) - ago
    signatures = [Webhook(secret).sign(webhook_id, at, body.decode()) for secret in secrets]
    return Delivery(webhook_id, str(int(at.timestamp())), " ".join(signatures), body)


def refused(delivery: Delivery, *secrets: str) -> str:
    """Verify a delivery that must be refused, and return the reason."""
    with pytest.raises(UnverifiedError) as error:
        Verifier(secrets or (NEW,)).verify(delivery)
    return str(error.value)


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_while_secrets_rotate_either_is_enough(secret: str) -> None:
    Verifier([OLD, NEW]).verify(signed(secret))


def test_one_good_signature_among_several_is_enough() -> None:
    Verifier([NEW]).verify(signed(OLD, NEW))


def test_a_secret_is_accepted_without_its_prefix_and_padding() -> None:
    bare = base64.b64encode(b"twenty-five bytes of key!").decode()
    Verifier([bare.rstrip("=")]).verify(signed(f"whsec_{bare}"))


def test_another_secret_is_refused() -> None:
    assert "no signature matches" in refused(signed(OLD))


@pytest.mark.parametrize("body", [BODY + b" ", BODY.replace(b"succeeded", b"failed")])
def test_another_body_is_refused(body: bytes) -> None:
    assert "no signature matches" in refused(msgspec.structs.replace(signed(NEW), body=body))


def test_another_webhook_id_is_refused() -> None:
    changed = msgspec.structs.replace(signed(NEW), webhook_id="msg_2")
    assert "no signature matches" in refused(changed)


def test_another_timestamp_is_refused() -> None:
    delivery = signed(NEW)
    later = str(int(delivery.webhook_timestamp) + 1)
    changed = msgspec.structs.replace(delivery, webhook_timestamp=later)
    assert "no signature matches" in refused(changed)


def test_a_delivery_that_was_sent_long_ago_is_refused() -> None:
    assert "more than 5 minutes ago" in refused(signed(NEW, ago=timedelta(minutes=6)))


def test_a_delivery_from_the_future_is_refused() -> None:
    assert "more than 5 minutes ahead" in refused(signed(NEW, ago=timedelta(minutes=-6)))


def test_a_delivery_within_the_tolerance_is_accepted() -> None:
    Verifier([NEW]).verify(signed(NEW, ago=timedelta(minutes=4)))


@pytest.mark.parametrize("field", ["webhook_id", "webhook_timestamp", "webhook_signature"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "there is no"),
        ("é" * 8, "other than printable ASCII"),
        ("a\x00b", "other than printable ASCII"),
        ("1" * 2_001, "has more than"),
    ],
)
def test_a_header_that_cannot_be_one_is_refused_by_its_name(
    field: str, value: str, reason: str
) -> None:
    told = refused(msgspec.structs.replace(signed(NEW), **{field: value}))
    assert reason in told
    assert field.replace("_", "-") in told


@pytest.mark.parametrize(
    "signature",
    [
        "v1",
        "v1,",
        "v1,a",
        "v1,!!!",
        "v1,a,b",
        ",",
        "  ",
        "v1a,AAAA",
        "v2,AAAA",
        "v1,AAAA v1",
        "v1,AAAA  v1,AAAA",
        "garbage",
    ],
)
def test_a_malformed_signature_is_refused_and_nothing_worse(signature: str) -> None:
    assert refused(msgspec.structs.replace(signed(NEW), webhook_signature=signature))


@pytest.mark.parametrize("timestamp", ["now", "nan", "inf", "-1", "1e400", "9" * 30, "0x10", " "])
def test_a_malformed_timestamp_is_refused_and_nothing_worse(timestamp: str) -> None:
    assert refused(msgspec.structs.replace(signed(NEW), webhook_timestamp=timestamp))


def test_a_body_that_is_not_utf8_is_refused() -> None:
    changed = msgspec.structs.replace(signed(NEW), body=b"\xff\xfe{}")
    assert refused(changed) == "the body is not UTF-8"


def test_a_reason_quotes_nothing_of_the_delivery() -> None:
    told = refused(signed(OLD, webhook_id="msg_secret", body=b'{"email": "x@example.com"}'))
    assert "msg_secret" not in told
    assert "example.com" not in told


def test_characters_that_are_not_base64_are_not_skipped() -> None:
    # The library skips them, and takes what is left for the secret.
    with pytest.raises(SecretError, match="secret 2"):
        Verifier([NEW, f"{NEW[:12]}-{NEW[12:]}"])
