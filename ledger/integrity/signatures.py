"""Signing: whether deliveries, however old, were signed with one of the secrets in hand."""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from standardwebhooks import Webhook

from domain.delivery import ErasedDelivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from domain.delivery import Delivery

    Check: TypeAlias = Callable[[Delivery], str | None]

SECRETS_MAX: Final = 8
"""Each costs an HMAC a forged delivery; a rotation needs two."""
PREFIX: Final = "whsec_"
UNVERIFIED_MAX: Final = 20
"""How many deliveries whose signature does not verify are named; the others are counted."""


class SecretError(ValueError):
    """A configured secret is not one; the message tells which, and quotes nothing of it."""


def signing_keys(secrets: Sequence[str]) -> list[bytes]:
    """Decode secrets (`whsec_` and base64, the prefix and the padding optional).

    Raises:
        SecretError: a secret is empty or not base64, or there are none or too many.
    """
    if not 0 < len(secrets) <= SECRETS_MAX:
        raise SecretError(f"between 1 and {SECRETS_MAX} secrets can be configured")
    return [_key(secret, number) for number, secret in enumerate(secrets, start=1)]


class StoredSignatures:
    """Checks deliveries whose time of arrival is long past.

    It asks what was asked on arrival, but for one thing: `webhook-timestamp` may be of any age.

    Raises:
        SecretError: a secret is empty or not base64, or there are none or too many.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self.secrets = tuple(secrets)
        """For a process of our own that is to check the same."""
        self._webhooks = [Webhook(key) for key in signing_keys(secrets)]

    def __call__(self, delivery: Delivery) -> str | None:
        """Return None if the delivery is genuine, else the reason, which quotes nothing of it."""
        try:
            sent_at = datetime.fromtimestamp(float(delivery.webhook_timestamp), UTC)
        except (ValueError, OverflowError, OSError):
            return "webhook-timestamp is not a number of seconds"
        try:
            body = delivery.body.decode()
        except UnicodeDecodeError:
            return "the body is not UTF-8"
        signatures = list(_signatures(delivery.webhook_signature))
        for webhook in self._webhooks:
            (expected,) = _signatures(webhook.sign(delivery.webhook_id, sent_at, body))
            if any(hmac.compare_digest(expected, signature) for signature in signatures):
                return None
        return "no signature matches the body under any of the secrets"


class Unverified(NamedTuple):
    """A stored delivery whose signature does not verify, and why."""

    position: int
    reason: str


class Signatures(NamedTuple):
    """How many stored deliveries were signed with the secrets in hand.

    What is unverified is no fault of the log: the secret it was signed with may be gone.
    """

    verified: int
    unverified: int
    erased: int
    """How many bodies were emptied, of which the signature cannot be checked any more."""
    first_unverified: tuple[Unverified, ...]
    """The first 20."""


class Tally:
    """Counts what a check of signatures says of the deliveries of a log."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._verified = self._unverified = self._erased = 0
        self._first: list[Unverified] = []

    def take(self, position: int, delivery: Delivery) -> None:
        """Check one delivery."""
        if isinstance(delivery, ErasedDelivery):
            self._erased += 1
            return
        reason = self._check(delivery)
        if reason is None:
            self._verified += 1
            return
        self._unverified += 1
        if len(self._first) < UNVERIFIED_MAX:
            self._first.append(Unverified(position, reason))

    def result(self) -> Signatures:
        """Return what was counted."""
        return Signatures(self._verified, self._unverified, self._erased, tuple(self._first))


def _signatures(header: str) -> Iterator[bytes]:
    for signature in header.split(" "):
        version, _, encoded = signature.partition(",")
        if version != "v1":
            continue
        try:
            yield base64.b64decode(encoded)
        except ValueError:
            continue


def _key(secret: str, number: int) -> bytes:
    # The library skips characters that are not base64, and so would take another key instead.
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecretError(f"secret {number} is not {PREFIX} and base64") from error
    if not key:
        raise SecretError(f"secret {number} is empty")
    return key
