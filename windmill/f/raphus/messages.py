"""Shared: how a message leaves: by mail, to a Slack channel or to a Discord channel."""

from __future__ import annotations

import base64
import hashlib
import re
import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime
from html import escape
from typing import TYPE_CHECKING, Any

from f.raphus.given import property_of, resource, variable
from f.raphus.postgres import once
from f.raphus.web import fetched

if TYPE_CHECKING:
    from collections.abc import Mapping

    from f.raphus.given import Resource

TIMEOUT_S = 30
TLS_PORT = 465
DISCORD_TEXT_CHARS_MAX = 1_500  # of 2,000, so that a link has its place
DISCORD_SUPPRESS_EMBEDS = 1 << 2
QUIETLY = {"unfurl_links": False, "unfurl_media": False}
MARKDOWN = re.compile(r"[\\*_~`|>#\[\]()<:@-]")


class NotSentError(Exception):
    """A message could not be sent."""


def mail_by(
    by: Mapping[str, Any],
    sender: str,
    to: str,
    subject: str,
    text: str,
    key: str,
    attached: Mapping[str, str] | None = None,
) -> None:
    """Send one mail to one address by what is given: by `resend` if it is, else by `smtp`.

    The same key gives the same mail: by Resend's idempotency key, or the Message-ID. What is
    attached are texts by the names of their files.

    Raises:
        NotSentError: an address cannot be used, the mail server does not take the mail, or the
            password would be readable on its way. It tells no address: Windmill keeps it.
        RefusedError: Resend does not take the mail.
    """
    message, digest = EmailMessage(), hashlib.sha256(key.encode()).hexdigest()
    try:
        message["From"], message["To"] = sender, Address(addr_spec=to)
        (_,) = message["From"].addresses
    except (ValueError, IndexError):
        raise NotSentError("the sender or the recipient is not a mail address") from None
    message["Subject"] = subject
    if by["resend"]:
        _by_resend(by, message, text, digest, attached or {})
        return
    message["Date"], domain = localtime(), message["From"].addresses[0].domain
    message["Message-ID"] = f"<{digest[:32]}@{domain}>"
    message.set_content(text)
    for name, content in (attached or {}).items():
        message.add_attachment(content, subtype="csv", filename=name)
    try:
        with _server(resource(by["smtp"])) as server:
            server.send_message(message)
    except smtplib.SMTPException as error:
        raise NotSentError(f"the mail server says no: {type(error).__name__}") from None


def mail(smtp: Resource, sender: str, to: str, subject: str, text: str, key: str) -> None:
    """Send one mail by a mail server, as `mail_by` does."""
    mail_by({"resend": "", "smtp": smtp}, sender, to, subject, text, key)


def _by_resend(
    by: Mapping[str, Any],
    message: EmailMessage,
    text: str,
    digest: str,
    attached: Mapping[str, str],
) -> None:
    """Send by Resend: resend.com/docs/api-reference/emails/send-email."""
    body: dict[str, Any] = {"from": str(message["From"]), "to": [str(message["To"])]}
    body |= {"subject": str(message["Subject"]), "text": text}
    files = [
        {"filename": name, "content": base64.b64encode(content.encode()).decode()}
        for name, content in attached.items()
    ]
    if files:
        body["attachments"] = files
    api_key = property_of(resource(by["resend"]), "api_key", "apiKey", "token")
    fetched(f"{by['resend_url']}/emails", api_key, body, headers={"Idempotency-Key": digest})


def _server(smtp: dict[str, Any]) -> smtplib.SMTP:
    host, port, context = smtp["host"], int(smtp.get("port") or 587), ssl.create_default_context()
    if port == TLS_PORT:
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
        encrypted = True
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
        server.ehlo()
        encrypted = server.has_extn("starttls")
        if encrypted:
            server.starttls(context=context)
    if smtp.get("user"):
        if not encrypted:
            server.close()
            raise NotSentError("the mail server offers no TLS, so it is not told the password")
        server.login(smtp["user"], smtp["password"])
    return server


def chat_once(
    database: Resource,
    key: str,
    text: str,
    channel: str,
    slack: Resource,
    slack_url: str,
    discord: Resource = "",
    link: str = "",
) -> bool:
    """Post a text, unless that was done under the same key; tell whether it was done now.

    It goes to Discord if that is given, else to Slack, if there is a channel. What the text holds
    is no mark-up, no link and calls nobody; the link behind it is one.

    Raises:
        NotSentError: Slack says no.
        RefusedError: Discord, or what stands before Slack, says no.
    """
    if not channel and not discord:
        return False
    with once(database, key) as to_be_done:
        if to_be_done and discord:
            _to_discord(text, link, str(resource(discord)["webhook_url"]))
        elif to_be_done:
            told = "\n".join(filter(None, (escape(text, quote=False), link)))
            chat(told, channel, slack, slack_url)
        return to_be_done


def _to_discord(text: str, link: str, webhook_url: str) -> None:
    """Post to a webhook: discord.com/developers/docs/resources/webhook#execute-webhook."""
    escaped = MARKDOWN.sub(r"\\\g<0>", text)
    body = {
        "content": "\n".join(filter(None, (escaped[:DISCORD_TEXT_CHARS_MAX], link))),
        "allowed_mentions": {"parse": []},
        "flags": DISCORD_SUPPRESS_EMBEDS,
    }
    fetched(f"{webhook_url}?wait=true", body=body)


def chat(text: str, channel: str, slack: Resource, slack_url: str) -> None:
    """Post by Slack's API to a channel, with a bot's token; or to an incoming webhook.

    Raises:
        NotSentError: Slack says no.
    """
    url = variable(slack_url)
    if url.endswith("/chat.postMessage"):
        token = str(resource(slack)["token"])
        answer = fetched(url, token, {"channel": channel, **QUIETLY, "text": text})
    else:
        answer = fetched(url, body={**QUIETLY, "text": text})
    if isinstance(answer, dict) and not answer.get("ok"):
        raise NotSentError(f"Slack says: {answer.get('error')}")
