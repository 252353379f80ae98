"""Ask a Raphus server from Python; it needs httpx and msgspec, and nothing else of Raphus.

    from api.client import Raphus

    with Raphus() as raphus:  # RAPHUS_URL and RAPHUS_API_KEY tell which server, and by which key
        print(raphus.access(customer_id="cus_123", product_id="pdt_1").access)

`AsyncRaphus` has the same methods, to be awaited. docs/client.md has more to copy.
"""

from __future__ import annotations

try:
    from api.client.clients import AsyncRaphus, Raphus
except ModuleNotFoundError as error:
    if error.name != "httpx":
        raise
    raise ImportError("the client needs httpx: pip install 'httpx>=0.28,<1'") from error
from api.client.failures import RequestFailed, Unavailable

__all__ = ["AsyncRaphus", "Raphus", "RequestFailed", "Unavailable"]
