"""What identifies a person in a body of Dodo's, and a body without it.

One declaration for all bodies, whatever their type: a field counts by its name, at any depth. It
follows `Payment`, `Subscription`, `Refund`, `Dispute`, `LicenseKey`, `EntitlementGrant` and
`CustomerLimitedDetails` of Dodo's SDK, and errs on the side of emptying. What stays are ids,
amounts, times, states and the country of a billing address, which taxes are told by: all that
the state machines, the books and the monthly revenue rest on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.delivery import UnreadableError, nests_too_deep, read_envelope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from domain.delivery import Delivery

_BILLING: Final = frozenset({"country"})
WHOLE: Final[Mapping[str, frozenset[str]]] = {
    "customer": frozenset({"customer_id"}),
    "billing": _BILLING,
    "billing_address": _BILLING,
    "shipping": _BILLING,
    "shipping_address": _BILLING,
    "address": _BILLING,
    "metadata": frozenset(),
    # A grant ties its licence key to it by the id.
    "license_key": frozenset(
        {"id", "status", "activations_used", "activations_limit", "expires_at"}
    ),
}
"""The objects that are emptied of all but these fields, unknown ones included."""
PERSONAL: Final = re.compile(
    # Who it is, and how to reach him.
    r"(.*_)?(e?mail|email_address|phone|phone_number|mobile|tax_id|vat_id|vat_number|business_name"
    r"|first_name|last_name|full_name|holder_name|ip|ip_address|user_agent|street|city|zip"
    r"|zipcode|zip_code|postal_code|line1|line2)"
    r"|name|customer_(?!id$).*|custom_field.*"
    # What somebody has written.
    r"|(.*_)?(comments?|feedback|remarks?|reason|notes?|message_from_customer)|description"
    # What he pays with and has been given; links hold tokens, or his e-mail address.
    r"|card_(?!network$|type$|issuing_country$).*|key|(.*_)?(url|link)",
    re.IGNORECASE | re.DOTALL,
)
"""The names of the fields whose value is replaced by null."""
WORDS: Final[Mapping[str, frozenset[str]]] = {
    # Enumerations of the SDK: `CancellationFeedback`, `AbandonedCheckoutDetectedWebhookEvent`.
    "cancellation_feedback": frozenset(
        "too_expensive missing_features switched_service unused customer_service low_quality"
        " too_complex other".split()
    ),
    "abandonment_reason": frozenset({"payment_failed", "checkout_incomplete"}),
    # A text to the SDK; these are what Dodo documents (docs/dodo.md, section 6).
    "revocation_reason": frozenset(
        "subscription_cancelled subscription_on_hold SubscriptionPaused subscription_expired"
        " plan_changed refund manual license_key_disabled platform_external".split()
    ),
}
"""What Dodo itself says in fields that are named like those in which people write.

It says nothing of a person, so it stays and may be told. Anything else in them may be anybody's.
"""
_IS_ID: Final = re.compile(r"(.*_)?ids?", re.IGNORECASE)
_ENVELOPE: Final = frozenset({"type", "business_id", "timestamp"})
NOTHING: Final = b""
"""What is left of a body that cannot be parsed."""


def _verbatim(number: str) -> msgspec.Raw:
    return msgspec.Raw(number.encode())


class _Said(msgspec.Struct, omit_defaults=True):
    """The four fields that a delivery is read by; what else stands in the body is passed over."""

    type: Any = msgspec.UNSET
    business_id: Any = msgspec.UNSET
    timestamp: Any = msgspec.UNSET
    data: Any = msgspec.UNSET


_decode: Final = msgspec.json.Decoder(float_hook=_verbatim).decode
_decode_said: Final = msgspec.json.Decoder(_Said, float_hook=_verbatim).decode
_encode: Final = msgspec.json.Encoder().encode


def emptied(body: bytes) -> bytes:
    """Return a body without what identifies a person; one that cannot be parsed becomes empty.

    What was read from the body before is read from the result, but for personal fields. A body
    that was emptied is returned as it is.
    """
    try:
        said = _parsed(body)
    except ValueError:
        return NOTHING
    if isinstance(said, dict):
        said = {k: v if k in _ENVELOPE and _is_plain(v) else _field(k, v) for k, v in said.items()}
    else:
        said = _value(said)
    left = _encode(said)
    # Of a field that stands there twice the last is left: that must not make a delivery of it.
    return NOTHING if _is_delivery(left) and not _is_delivery(body) else left


def is_emptied(name: str) -> bool:
    """Tell whether nothing that is read of a field is left: neither its value, nor a part of it.

    Such a field is told to nobody who may not know persons, and is repeated nowhere; of one that
    has words of its own, this is so for all else that it says (`is_word`).
    """
    return not WHOLE[name] if name in WHOLE else PERSONAL.fullmatch(name) is not None


def is_word(name: str, value: object) -> bool:
    """Tell whether a field says one of the words that Dodo lists for it."""
    return isinstance(value, str) and value in WORDS.get(name, ())


def order_of(delivery: Delivery) -> tuple[bytes, bytes]:
    """Return by what one of several bodies of a webhook-id precedes another.

    It is their bytes, but for what emptying takes away: that must not change what follows.
    """
    return emptied(delivery.body), delivery.body_hash


def customers_of(body: bytes) -> frozenset[str] | None:
    """Return the ids of the customers that a body names; None where it cannot be parsed.

    What stands in metadata or in answers of the buyer's names nobody: anybody can write it.
    """
    try:
        said = _parsed(body)
    except ValueError:
        return None
    found: set[str] = set()
    _collect(said, found)
    return frozenset(found)


def names(body: bytes, customer_id: str) -> bool:
    """Tell whether a body names a customer: if it cannot be parsed, whether his id is a word."""
    named = customers_of(body)
    if named is None:
        word = rb"(?<![\w-])" + re.escape(customer_id.encode()) + rb"(?![\w-])"
        return re.search(word, body) is not None
    return customer_id in named


def is_about(body: bytes, customer_id: str) -> bool:
    """Tell whether a body of a customer's stream is about him: names him, or nobody."""
    return not customers_of(body) or names(body, customer_id)


def _parsed(body: bytes) -> Any:  # noqa: ANN401 -- any JSON
    """Parse a body, or what a delivery is read by where the rest of it cannot be parsed.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    if nests_too_deep(body):
        raise ValueError
    try:
        return _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {
            name: value
            for name, value in msgspec.structs.asdict(_decode_said(body)).items()
            if value is not msgspec.UNSET
        }


def _is_delivery(body: bytes) -> bool:
    try:
        read_envelope(body)
    except UnreadableError:
        return False
    return True


def _field(name: str, value: object) -> object:
    kept = WHOLE.get(name)
    if kept is not None:
        if not isinstance(value, dict):
            return None
        return {k: v for k, v in value.items() if k in kept and _is_plain(v)}
    if PERSONAL.fullmatch(name):
        return value if is_word(name, value) else None
    return value if _IS_ID.fullmatch(name) and _is_plain(value) else _value(value)


def _value(value: object) -> object:
    if isinstance(value, dict):
        return {name: _field(name, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_value(item) for item in value]
    # An e-mail address, or a name in some network.
    return None if isinstance(value, str) and "@" in value else value


def _is_plain(value: object) -> bool:
    return not isinstance(value, dict | list)


def _collect(value: object, found: set[str]) -> None:
    if isinstance(value, list):
        for item in value:
            _collect(item, found)
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        if name == "customer_id" and isinstance(inner, str):
            found.add(inner)
        elif name != "metadata" and not name.startswith("custom_field"):
            _collect(inner, found)
