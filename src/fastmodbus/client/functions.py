"""The functions of Modbus beyond the four tables: files, queues, diagnostics, identification, any request at all.

A part of `Client`, which alone uses it. What a call means is in `calls`; nothing here knows how it is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import calls
from ..calls import CommEventCounter, CommEventLog, DeviceIdentification
from .base import Base

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Functions(Base):
    """The methods for everything that is neither a table nor a named value."""

    def read_fifo_queue(
        self, address: int, *, unit: int | None = None, timeout: Any = None, deadline: Any = None
    ) -> NDArray[np.uint16]:
        """Read a queue of registers (function 24, ap 6.18): ndarray of uint16 with 0 to 31 elements."""
        call = self._call(unit, timeout, deadline)
        return self._run(call, calls.read_fifo_queue(call, address))

    def read_file_records(
        self, records: Sequence[tuple[int, int, int]], *,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> list[NDArray[np.uint16]]:  # fmt: skip
        """Read records of files (function 20, ap 6.14), as many in one request as fit.

        Parameters
        ----------
        records : sequence of (file, record, length)
            File 1 to 65535, first record 0 to 9999, length in registers 1 to 124.

        Returns
        -------
        list of ndarray of uint16
            One a record, in the order asked.
        """
        call = self._call(unit, timeout, deadline)
        return self._run(call, calls.read_file_records(call, records))

    def write_file_records(
        self, records: Sequence[tuple[int, int, Any]], *,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> None:  # fmt: skip
        """Write records of files (function 21, ap 6.15): (file, record, values) with 1 to 122 values each."""
        call = self._call(unit, timeout, deadline)
        self._run(call, calls.write_file_records(call, records))

    def read_exception_status(self, *, unit: int | None = None, timeout: Any = None, deadline: Any = None) -> int:
        """Read the eight exception status outputs (function 07, ap 6.7, serial line only) as an int."""
        call = self._call(unit, timeout, deadline)
        return self._run(call, calls.read_exception_status(call))

    def diagnostics(
        self, sub_function: int, data: int = 0, *,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> int:  # fmt: skip
        """Run a diagnostic sub-function (function 08, ap 6.8, serial line only); the answer's data word.

        Force Listen Only Mode (4) is never answered: it returns 0 as soon as it was sent.
        """
        call = self._call(unit, timeout, deadline)
        return self._run(call, calls.diagnostics(call, sub_function, data))

    def get_comm_event_counter(
        self, *, unit: int | None = None, timeout: Any = None, deadline: Any = None
    ) -> CommEventCounter:
        """Function 11 (ap 6.9, serial line only)."""
        call = self._call(unit, timeout, deadline)
        return self._run(call, calls.get_comm_event_counter(call))

    def get_comm_event_log(self, *, unit: int | None = None, timeout: Any = None, deadline: Any = None) -> CommEventLog:
        """Function 12 (ap 6.10, serial line only)."""
        call = self._call(unit, timeout, deadline)
        return self._run(call, calls.get_comm_event_log(call))

    def report_server_id(self, *, unit: int | None = None, timeout: Any = None, deadline: Any = None) -> bytes:
        """Function 17 (ap 6.13, serial line only): server id, run indicator and more, in the device's own form."""
        call = self._call(unit, timeout, deadline)
        return self._run(call, calls.report_server_id(call))

    def read_device_identification(
        self, category: str = "basic", object_id: int | None = None, *,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> DeviceIdentification:  # fmt: skip
        """Read what the device says of itself (function 43/14, ap 6.21).

        Parameters
        ----------
        category : {"basic", "regular", "extended"}
        object_id : int, optional
            Read this one object, 0 to 255, instead of a category.
        """
        call = self._call(unit, timeout, deadline)
        return self._run(call, calls.read_device_identification(call, category, object_id))

    def execute(self, pdu: bytes, *, unit: int | None = None, timeout: Any = None, deadline: Any = None) -> bytes:
        """Send any request PDU and return the whole answer PDU; an exception of the device is raised as elsewhere.

        The answers to requests that have the form of their public function code are checked as strictly as ever.
        """
        call = self._call(unit, timeout, deadline)
        return self._run(call, calls.execute(call, pdu))
