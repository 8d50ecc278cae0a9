"""Reading and writing values by address or by name.

Made from client/named.py by `make mirror`: change that one, not this.

A part of `AsyncClient`, which alone uses it. What a call means is in `tagcalls`; nothing here knows how it is run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..anyclient import NOTHING
from .base import Base

if TYPE_CHECKING:
    from ..plan import ReadPlan


class Named(Base):
    """The methods for values instead of registers."""

    async def read(
        self, what: Any = None, *, fresh: bool = False,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> Any:  # fmt: skip
        """Read values by address or by name, in as few requests as the device allows.

        Parameters
        ----------
        what : str, Address or Tag, or a sequence or mapping of them, optional
            ``"hr100:f32"``; ``"hr100:f32@CDAB[50]"`` for an array; a tag of the map; a pattern such as ``"voltage_*"``;
            a list of these; ``{"ax": "hr100:i16"}`` to choose the names; nothing for all tags of the map.
        fresh : bool
            Read again what never changes (tags of a group with the period "once", which otherwise are read once over
            each connection), and try again what the device refused.
        unit, timeout, deadline
            Override the client's.

        Returns
        -------
        float, int, bool, str or ndarray
            For one address or tag; NaN (None for what is no number) where the device has no value.
        dict
            For all else, by the texts as they were given, or the names of the tags.

        Raises
        ------
        DeviceError, RequestTimeout, ProtocolError, ConnectionFailed
            The first failure; `partial` has the values that were read, `errors` all failures. A value that the device
            refuses twice while others succeed is not asked for again for ten minutes, and is NaN until then.
        ValueError
            A text that means nothing; a bare number.
        """
        from .. import tagcalls

        call = self._call(unit, timeout, deadline)
        try:
            return await self._run(call, tagcalls.read(call, self._settings.names(call.unit), what, fresh))
        finally:
            self._settings.keep()

    async def write(
        self, what: Any, value: Any = NOTHING, *, verify: bool = False,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> None:  # fmt: skip
        """Write values by address or by name; neighbours go into one request.

        Parameters
        ----------
        what : str, or mapping of str to value
            Where to write, or ``{where: value, ...}``.
        value : number, bool, str, or a sequence of them for an array
            In the tag's units, rounded to the nearest step of its scale; a label's text stands for its number.
        verify : bool
            Read back what was written and compare.

        Raises
        ------
        ValueError, TypeError
            A value that does not fit, a tag that may not be written; nothing was sent.
        ModbusError
            As of `write_registers`; or what was written reads back differently.

        Notes
        -----
        Bits of a register are changed by function 22 (ap 6.16), or where the device has none by reading, changing and
        writing the register: then a change of its other bits in between would be undone.
        """
        from .. import tagcalls

        call = self._call(unit, timeout, deadline)
        values = tagcalls.assigned(what, value)
        try:
            await self._run(call, tagcalls.write(call, self._settings.names(call.unit), values, verify))
        finally:
            self._settings.keep()

    def read_plan(self, what: Any = None) -> ReadPlan:
        """The plan of `read` for the same argument: ``print`` shows its requests. Nothing is sent."""
        from .. import tagcalls

        return tagcalls.plan_of(self._settings.names(self.unit), what, self._settings.learnt())
