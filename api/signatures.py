"""Signatures: whether a delivery was signed with one of the configured secrets."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from standardwebhooks import Webhook, WebhookVerificationError

from domain.delivery import ID_CHARS_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.delivery import Delivery

SECRETS_MAX: Final = 8
"""Each costs an HMAC a forged delivery; a rotation needs two."""
TIMESTAMP_CHARS_MAX: Final = 32
SIGNATURE_CHARS_MAX: Final = 2_000
PREFIX: Final = "whsec_"

# The library's words, and ours, which tell what to look for.
_REASONS: Final = {
    "Message timestamp too old": "webhook-timestamp is more than 5 minutes ago: sent again by a"
    " third party, or this machine's clock is wrong",
    "Message timestamp too new": "webhook-timestamp is more than 5 minutes ahead: this machine's"
    " clock may be wrong",
    "Invalid Signature Headers": "webhook-timestamp is not a number of seconds",
    "No matching signature found": "no signature matches the body under any of the secrets",
}


class SecretError(ValueError):
    """A configured secret is not one; the message tells which, and quotes nothing of it."""


class UnverifiedError(Exception):
    """A delivery is not signed by whom we trust; the message tells why, and quotes nothing."""


class Verifier:
    """Checks deliveries against every secret, since two are valid while one replaces the other.

    Raises:
        SecretError: a secret is empty or not base64, or there are too many.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if not 0 < len(secrets) <= SECRETS_MAX:
            raise SecretError(f"between 1 and {SECRETS_MAX} secrets can be configured")
        self._webhooks = [
            Webhook(_key(secret, number)) for number, secret in enumerate(secrets, start=1)
        ]

    def verify(self, delivery: Delivery) -> None:
        """Return if the delivery is genuine and was sent within the last 5 minutes.

        Raises:
            UnverifiedError: it is not.
        """
        headers = {
            "webhook-id": _header(delivery.webhook_id, "webhook-id", ID_CHARS_MAX),
            "webhook-timestamp": _header(
                delivery.webhook_timestamp, "webhook-timestamp", TIMESTAMP_CHARS_MAX
            ),
            "webhook-signature": _header(
                delivery.webhook_signature, "webhook-signature", SIGNATURE_CHARS_MAX
            ),
        }
        problem = ""
        for webhook in self._webhooks:
            try:
                webhook.verify(delivery.body, headers, json_parse=False)
                return
            except WebhookVerificationError as error:
                problem = _REASONS.get(str(error), "it is not signed")
            except UnicodeDecodeError:
                problem = "the body is not UTF-8"
            except ValueError:
                problem = "webhook-signature is not a list of v1,<base64>"
        raise UnverifiedError(problem)


def _header(value: str, name: str, chars_max: int) -> str:
    if not value:
        raise UnverifiedError(f"there is no {name} header")
    if len(value) > chars_max:
        raise UnverifiedError(f"{name} has more than {chars_max} characters")
    if not (value.isascii() and value.isprintable()):
        raise UnverifiedError(f"{name} holds other than printable ASCII characters")
    return value


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
