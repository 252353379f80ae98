"""Shared: how a message leaves, by mail or to a Slack channel."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime
from typing import TYPE_CHECKING, Any

from f.raphus.given import resource, variable
from f.raphus.postgres import once
from f.raphus.web import fetched

if TYPE_CHECKING:
    from f.raphus.given import Resource

TIMEOUT_S = 30
TLS_PORT = 465


class NotSentError(Exception):
    """A message could not be sent."""


def mail(smtp: Resource, sender: str, to: str, subject: str, text: str, key: str) -> None:
    """Send one mail to one address; the same key gives the same Message-ID.

    Raises:
        NotSentError: an address cannot be used, the mail server does not take the mail, or the
            password would be readable on its way. It tells no address: Windmill keeps it.
    """
    message = EmailMessage()
    try:
        message["From"], message["To"] = Address(addr_spec=sender), Address(addr_spec=to)
    except (ValueError, IndexError):
        raise NotSentError("the sender or the recipient is not a mail address") from None
    message["Subject"], message["Date"] = subject, localtime()
    domain = sender.rpartition("@")[2]
    message["Message-ID"] = f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{domain}>"
    message.set_content(text)
    try:
        with _server(resource(smtp)) as server:
            server.send_message(message)
    except smtplib.SMTPException as error:
        raise NotSentError(f"the mail server says no: {type(error).__name__}") from None


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
    database: Resource, key: str, text: str, channel: str, slack: Resource, slack_url: str
) -> bool:
    """Post as `chat` does, unless that was done under the same key; tell whether it was done now.

    Raises:
        NotSentError: Slack says no.
    """
    if not channel:
        return False
    with once(database, key) as to_be_done:
        if to_be_done:
            chat(text, channel, slack, slack_url)
        return to_be_done


def chat(text: str, channel: str, slack: Resource, slack_url: str) -> None:
    """Post by Slack's API to a channel, with a bot's token; or to an incoming webhook.

    Raises:
        NotSentError: Slack says no.
    """
    url = variable(slack_url)
    if url.endswith("/chat.postMessage"):
        token = str(resource(slack)["token"])
        answer = fetched(url, token, {"channel": channel, "text": text})
    else:
        answer = fetched(url, body={"text": text})
    if isinstance(answer, dict) and not answer.get("ok"):
        raise NotSentError(f"Slack says: {answer.get('error')}")
