"""Small files that are kept for the next time. Whoever writes one comes here, so that none is ever half written."""

from __future__ import annotations

from pathlib import Path


def write_whole(path: str | Path, data: bytes) -> None:
    """Write a file whole or not at all: who reads it, or a crash, never meets a part of it."""
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(data)
    partial.replace(target)
