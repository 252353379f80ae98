"""Whether a delivery was signed with one of the configured secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from standardwebhooks import Webhook, WebhookVerificationError

from domain.delivery import ID_CHARS_MAX
from ledger.integrity.signatures import StoredSignatures, signing_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domain.delivery import Delivery

TIMESTAMP_CHARS_MAX: Final = 32
SIGNATURE_CHARS_MAX: Final = 2_000

# The library's words, and ours, which tell what to look for.
_REASONS: Final = {
    "Message timestamp too old": "webhook-timestamp is more than 5 minutes ago: sent again by a"
    " third party, or this machine's clock is wrong",
    "Message timestamp too new": "webhook-timestamp is more than 5 minutes ahead: this machine's"
    " clock may be wrong",
    "Invalid Signature Headers": "webhook-timestamp is not a number of seconds",
    "No matching signature found": "no signature matches the body under any of the secrets",
}


class UnverifiedError(Exception):
    """A delivery is not signed by whom we trust; the message tells why, and quotes nothing."""


class Verifier:
    """Checks deliveries against every secret, since two are valid while one replaces the other.

    Raises:
        SecretError: a secret is empty or not base64, or there are too many.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._webhooks = [Webhook(key) for key in signing_keys(secrets)]
        self.of_stored = StoredSignatures(secrets)
        """Checks what arrived long ago with the same secrets."""

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
