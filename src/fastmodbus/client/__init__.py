"""The blocking client. Its public names; no logic."""

from .blocking import Client, connect

__all__ = ["Client", "connect"]
