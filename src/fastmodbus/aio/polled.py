"""Polling at a steady rate for a while.

Made from client/polled.py by `make mirror`: change that one, not this.

A part of `AsyncClient`, which alone uses it. How it is done is the poller's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import Base

if TYPE_CHECKING:
    from ..samples import Samples


class Polled(Base):
    """The method for polling."""

    async def poll(
        self, tags: Any = None, *, every: Any = None, count: int | None = None, duration: Any = None
    ) -> Samples | dict[str, Samples]:
        """Poll at a steady rate, from now on, for so many rows or so long; for more than one device see `Poller`.

        Parameters
        ----------
        tags : str, Address or Tag, or a sequence or mapping of them, optional
            What `read` takes. Without, the groups of the client's map, or with `every` the whole map as one group.
        every : float or str, optional
            The period: ``0.1``, ``"100ms"``; 0 is back to back.
        count : int, optional
            Rows; of each group.
        duration : float or str, optional
            How long; one of `count` and `duration` is needed.

        Returns
        -------
        Samples
            Or, of several groups, a dict: group -> Samples. Values that could not be read have a quality that says why.

        Raises
        ------
        ConnectionFailed
            There is no connection to begin with. One that is lost later comes back by itself.
        ValueError, TypeError
            No period, neither count nor duration, an unknown tag; nothing was sent.
        KeyboardInterrupt
            Its `partial` has what came before Ctrl-C; None where nothing had.
        """
        try:
            from ..poller.single import poll_in_loop

            await self.connect()
            return await poll_in_loop(self, tags, every, count, duration)
        except KeyboardInterrupt as interrupt:
            vars(interrupt).setdefault("partial", None)
            raise
