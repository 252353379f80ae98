"""The OpenAPI document of all that can be asked over HTTP, made once for all its tests."""

from __future__ import annotations

from typing import Final

from api.openapi import document
from api.routes import OPERATIONS

DOCUMENT: Final = document(OPERATIONS)
