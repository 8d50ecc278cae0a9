"""The asyncio client. Its public names; no logic."""

from .client import AsyncClient, connect_async

__all__ = ["AsyncClient", "connect_async"]
