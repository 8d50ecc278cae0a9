"""The blocking client: every Modbus function as a method, numpy arrays in and out. It holds no protocol rule.

What a method does is in `calls`; here it is run on the link, which any number of views and threads share.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from . import calls, errors, options
from ._core import reactor
from .calls import Call, CommEventCounter, CommEventLog, DeviceIdentification, Steps
from .explain import Where
from .options import Options
from .spec import PORT, FunctionCode
from .transport import Link

if TYPE_CHECKING:
    from .maps import Map
    from .naming import Names
    from .plan import ReadPlan
    from .statistics import Statistics

T = TypeVar("T")
_NOTHING: Any = object()  # an argument that was not given


class Client:
    """A Modbus/TCP client: one connection, kept open, many requests in flight.

    It connects at the first call and again after a loss. Threads may share it; their calls share the window.

    Parameters
    ----------
    host : str
        Name or address, IPv4 or IPv6.
    port : int, default 502
    unit : int, default 1
        Unit identifier, 0 to 255 (mg 3.1.3).
    timeout : float or str, default 3
        What the device may take for one answer, in seconds or as text (``"500ms"``). A request's time starts when it is
        sent, or when an answer to an earlier one comes.
    deadline : float or str, optional
        Bounds each whole call: connecting, sending, retries. None: ``connect_timeout + (retries + 1) * timeout``.
    connect_timeout : float or str, default 5
    retries : int, default 2
        How often a read is repeated after a timeout, a lost connection or exception 6. Writes never are.
    in_flight : int or "auto", default "auto"
        Requests in flight at once, 1 to 4096. "auto" begins with one and learns in long reads what the device stands
        and what pays, up to the 16 of the specification (mg 4.2.1.1).
    coalesce : bool, default False
        Let several requests share a TCP segment; faster, and some devices lose requests that way.
    max_registers, max_bits : int, default 125 and 2000
        Largest read of one request.
    request_gap, connect_delay : float or str, default 0
        Least time between two requests, and between connecting and the first request.
    idle_close : float or str, optional
        Replace a connection that had no traffic for so long instead of using it again.
    read_only : bool, default False
        Refuse every write before it is sent.
    write_single : {"fc06", "fc16"}, default "fc06"
        The function that `write_register` uses.
    pipeline_writes : bool, default False
        Let more than one write be in flight.
    quirks : sequence of str
        Deviations of the device to accept: "tid_zero", "unit_zero", "exception_length", "trailing_crc".
    name : str, optional
        For messages and logs.
    source_address : str, optional
        Local address to connect from.
    map : str, path or Map, optional
        What the device offers by name; see `load_map`. Its options and limits count where nothing else is given.

    Raises
    ------
    TypeError, ValueError
        An option is unknown, of the wrong type or out of range.
    """

    def __init__(self, host: str, port: int = PORT, *, map: Any = None, **given: Any) -> None:
        if not isinstance(host, str):
            raise TypeError(f"host is {host!r}, a {type(host).__name__}; a name or an address is needed")
        if not host:
            raise ValueError("host is empty; a name or an address is needed")
        from . import checks

        port = checks.integer("port", port, 1, 65535)
        device = _map_of(map)
        complete = _with_map(options.parse(given), device).over(options.BUILT_IN)
        self._set_up(Link(host, port, complete), complete, device)

    def _set_up(self, link: Link, complete: Options, map: Map | None, parent: Client | None = None) -> None:
        self._link, self._options, self._map = link, complete, map
        self._names: dict[int, Names] = {}
        self._parent = parent  # of a view: it keeps the client alive whose connection it uses
        self._closed = False
        self._companion: Any = None
        where = Where(complete.name or "", link.host, link.port, complete.timeout or 0.0)
        self._default = self._call_of(complete, where)

    @staticmethod
    def _call_of(complete: Options, where: Where) -> Call:
        assert complete.unit is not None and complete.timeout is not None and complete.retries is not None
        return Call(
            unit=complete.unit,
            timeout=int(complete.timeout * 1e9),
            deadline=calls.NO_DEADLINE,
            retries=complete.retries,
            max_registers=complete.max_registers or 1,
            max_bits=complete.max_bits or 1,
            read_only=bool(complete.read_only),
            write_single=complete.write_single or "fc06",
            where=where,
        )

    # -------------------------------------------------------------------------------------------- running

    def _call(self, unit: int | None, timeout: Any, deadline: Any) -> Call:
        """The settings of one call: the client's, with what the call itself gives."""
        if self._closed:
            raise errors.ClientClosed(
                f"{self._default.where.label}, unit {self.unit}: the client is closed", host=self.host, port=self.port
            )
        if unit is None and timeout is None and deadline is None and self._options.deadline is None:
            return self._default
        own = options.parse({"unit": unit, "timeout": timeout, "deadline": deadline}).over(self._options)
        assert own.unit is not None and own.timeout is not None
        until = calls.NO_DEADLINE if own.deadline is None else reactor.now() + int(own.deadline * 1e9)
        return replace(
            self._default,
            unit=own.unit,
            timeout=int(own.timeout * 1e9),
            deadline=until,
            where=self._default.where._replace(timeout=own.timeout),
        )

    def _run(self, call: Call, steps: Steps[T]) -> T:
        try:
            batch = next(steps)
            while True:
                self._link.run(batch)
                self._explain_loss(call)
                batch = next(steps)
        except StopIteration as finished:
            result: T = finished.value
            return result

    def _explain_loss(self, call: Call) -> None:
        if call.where.lost != self._link.lost:
            call.where = call.where._replace(lost=self._link.lost)

    def _read(
        self, function: int, address: int, count: int, out: Any, unit: int | None, timeout: Any, deadline: Any
    ) -> NDArray[Any]:
        call = self._call(unit, timeout, deadline)
        batch, array = calls.read_table(call, function, address, count, out)
        self._link.run(batch)
        if batch.ok():
            return array
        self._explain_loss(call)
        return calls.finish_read(call, batch, array, address, ours=out is None)

    def _write(
        self, function: int, address: int, values: NDArray[Any], unit: int | None, timeout: Any, deadline: Any
    ) -> None:
        call = self._call(unit, timeout, deadline)
        batch = calls.write_table(call, function, address, values)
        self._link.run(batch)
        self._explain_loss(call)
        calls.finish_write(call, batch)

    # -------------------------------------------------------------------------------------------- by name

    def _names_of(self, unit: int) -> Names:
        if unit not in self._names:
            from .naming import Names

            call = self._default
            self._names[unit] = Names(self._map, unit=unit, max_registers=call.max_registers, max_bits=call.max_bits)
        return self._names[unit]

    def read(self, what: Any = None, *, unit: int | None = None, timeout: Any = None, deadline: Any = None) -> Any:
        """Read values by address or by name, in as few requests as the device allows.

        Parameters
        ----------
        what : str, Address or Tag, or a sequence or mapping of them, optional
            ``"hr100:f32"``; ``"hr100:f32@CDAB[50]"`` for an array; a tag of the map; a pattern such as ``"voltage_*"``;
            a list of these; ``{"ax": "hr100:i16"}`` to choose the names; nothing for all tags of the map.
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
        from . import tagcalls

        call = self._call(unit, timeout, deadline)
        return self._run(call, tagcalls.read(call, self._names_of(call.unit), what))

    def write(
        self, what: Any, value: Any = _NOTHING, *, verify: bool = False,
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
        from . import tagcalls

        call = self._call(unit, timeout, deadline)
        values = what if value is _NOTHING else {what: value}
        self._run(call, tagcalls.write(call, self._names_of(call.unit), values, verify))

    def read_plan(self, what: Any = None) -> ReadPlan:
        """The plan of `read` for the same argument: ``print`` shows its requests. Nothing is sent."""
        from . import tagcalls

        return tagcalls.plan_of(self._names_of(self.unit), what)

    # -------------------------------------------------------------------------------------------- reading tables

    def read_coils(
        self, address: int, count: int = 1, *, out: NDArray[np.bool_] | None = None,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> NDArray[np.bool_]:  # fmt: skip
        """Read coils (function 01, ap 6.1); split into requests of `max_bits`.

        Parameters
        ----------
        address : int
            The first coil, 0-based as on the wire, 0 to 65535.
        count : int
            How many, 1 to ``65536 - address``.
        out : ndarray of bool, shape (count,), optional
            Filled instead of a new array: C-contiguous and writable. What could not be read is left as it was.
        unit, timeout, deadline
            Override the client's.

        Returns
        -------
        ndarray of bool, shape (count,)

        Raises
        ------
        DeviceError, RequestTimeout, ProtocolError, ConnectionFailed
            The first failure; `partial`, `ok` and `errors` carry the rest of a read that was split.
        TypeError, ValueError
            A bad argument; nothing was sent.
        """
        return self._read(FunctionCode.READ_COILS, address, count, out, unit, timeout, deadline)

    def read_discrete_inputs(
        self, address: int, count: int = 1, *, out: NDArray[np.bool_] | None = None,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> NDArray[np.bool_]:  # fmt: skip
        """Read discrete inputs (function 02, ap 6.2); everything else as `read_coils`.

        Returns
        -------
        ndarray of bool, shape (count,)
        """
        return self._read(FunctionCode.READ_DISCRETE_INPUTS, address, count, out, unit, timeout, deadline)

    def read_holding_registers(
        self, address: int, count: int = 1, *, out: NDArray[np.uint16] | None = None,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> NDArray[np.uint16]:  # fmt: skip
        """Read holding registers (function 03, ap 6.3); split into requests of `max_registers`.

        Parameters, errors and `out` are those of `read_coils`.

        Returns
        -------
        ndarray of uint16, shape (count,)
            In native byte order.
        """
        return self._read(FunctionCode.READ_HOLDING_REGISTERS, address, count, out, unit, timeout, deadline)

    def read_input_registers(
        self, address: int, count: int = 1, *, out: NDArray[np.uint16] | None = None,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> NDArray[np.uint16]:  # fmt: skip
        """Read input registers (function 04, ap 6.4); everything else as `read_holding_registers`.

        Returns
        -------
        ndarray of uint16, shape (count,)
        """
        return self._read(FunctionCode.READ_INPUT_REGISTERS, address, count, out, unit, timeout, deadline)

    # -------------------------------------------------------------------------------------------- writing tables

    def write_coil(
        self, address: int, value: bool, *, unit: int | None = None, timeout: Any = None, deadline: Any = None
    ) -> None:
        """Write one coil (function 05, ap 6.5).

        Raises
        ------
        ModbusError
            `outcome_unknown` says whether it may have been carried out all the same. A write is never sent twice.
        """
        call = self._call(unit, timeout, deadline)
        self._run(call, calls.write_coil(call, address, value))

    def write_register(
        self, address: int, value: int, *, unit: int | None = None, timeout: Any = None, deadline: Any = None
    ) -> None:
        """Write one holding register (function 06, ap 6.6; or 16, see the option `write_single`), 0 to 65535."""
        call = self._call(unit, timeout, deadline)
        self._run(call, calls.write_register(call, address, value))

    def write_coils(
        self, address: int, values: Sequence[bool] | NDArray[Any], *,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> None:  # fmt: skip
        """Write coils (function 15, ap 6.11), split into requests of 1968; after a failed one nothing more is sent.

        Raises
        ------
        ModbusError
            `written` tells the ranges that the device confirmed.
        """
        found = calls.check_coils(address, values)
        self._write(FunctionCode.WRITE_COILS, address, found, unit, timeout, deadline)

    def write_registers(
        self, address: int, values: Sequence[int] | NDArray[Any], *,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> None:  # fmt: skip
        """Write holding registers (function 16, ap 6.12), split into requests of 123; otherwise as `write_coils`.

        Parameters
        ----------
        values : sequence of int, or 1-D integer array
            0 to 65535 each; nothing wraps and nothing is rounded.
        """
        found = calls.check_registers(address, values)
        self._write(FunctionCode.WRITE_REGISTERS, address, found, unit, timeout, deadline)

    def mask_write_register(
        self, address: int, and_mask: int, or_mask: int, *,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> None:  # fmt: skip
        """Change bits of a holding register (function 22, ap 6.16): (current & and_mask) | (or_mask & ~and_mask)."""
        call = self._call(unit, timeout, deadline)
        self._run(call, calls.mask_write_register(call, address, and_mask, or_mask))

    def read_write_registers(
        self, read_address: int, read_count: int, write_address: int, values: Sequence[int] | NDArray[Any], *,
        unit: int | None = None, timeout: Any = None, deadline: Any = None,
    ) -> NDArray[np.uint16]:  # fmt: skip
        """Write up to 121 and then read up to 125 holding registers in one transaction (function 23, ap 6.17).

        Returns
        -------
        ndarray of uint16, shape (read_count,)
        """
        call = self._call(unit, timeout, deadline)
        return self._run(call, calls.read_write_registers(call, read_address, read_count, write_address, values))

    # -------------------------------------------------------------------------------------------- everything else

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

    # -------------------------------------------------------------------------------------------- the client itself

    def at(self, unit: int, *, map: Any = None, **given: Any) -> Client:
        """A view of another unit behind the same connection, with options and a map of its own.

        Raises
        ------
        TypeError
            An option that belongs to the connection, which all views share.
        """
        device = _map_of(map)
        wanted = _with_map(options.parse({"unit": unit, **given}), device)
        shared = sorted(name for name in given if name in options.OF_CONNECTION)
        if shared:
            raise TypeError(f"{', '.join(shared)} belong to the connection: give them to the client, not to a view")
        view: Client = type(self).__new__(type(self))
        view._set_up(self._link, wanted.over(self._options), device, self)
        if isinstance(wanted.in_flight, int):
            self._link.core.limit_unit(view.unit, wanted.in_flight)
        return view

    @property
    def host(self) -> str:
        return self._link.host

    @property
    def port(self) -> int:
        return self._link.port

    @property
    def unit(self) -> int:
        return self._default.unit

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known without sending anything."""
        return self._link.core.connected and not self._closed

    @property
    def stats(self) -> Statistics:
        """Counters and round trips of the connection since the client was made."""
        from .statistics import Statistics

        return Statistics.of(self._link.core)

    def trace(self, capacity: int = 1 << 18) -> None:
        """Keep the traffic from now on in a ring of `capacity` bytes for `drain_trace`; 0 stops it."""
        from . import checks

        self._link.core.start_trace(checks.integer("capacity", capacity, 0, 1 << 30))

    def drain_trace(self) -> tuple[list[tuple[int, bool, bytes]], int]:
        """What was recorded since the last call: [(monotonic ns, received, bytes), ...] and how many found no room."""
        return self._link.core.drain_trace()

    def connect(self) -> Self:
        """Connect now instead of at the first call.

        Raises
        ------
        ConnectionFailed
        """
        deadline = self._call(None, None, None).deadline
        self._link.open(deadline)
        return self

    def close(self) -> None:
        """Close the connection for good; a view only closes itself. Calls in progress end with `ClientClosed`."""
        self._closed = True
        if self._parent is None:
            self._link.close()
            if self._companion is not None:
                self._companion.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_parent", self) is None and not self._closed and self._link.core.connected:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            self.close()

    def __repr__(self) -> str:
        state = (
            "closed" if self._closed or self._link.core.closed else "connected" if self.connected else "not connected"
        )
        return f"<{type(self).__name__} {self._default.where.label} unit {self.unit}, {state}>"


def _map_of(map: Any) -> Map | None:
    from .maps import Map, load_map

    return map if map is None or isinstance(map, Map) else load_map(map)


def _with_map(given: Options, map: Map | None) -> Options:
    """What a map asks for counts where nothing else is given; of limits the smaller."""
    if map is None:
        return given
    limits = map.limits
    its = options.parse({**map.options, "max_registers": limits.max_registers, "max_bits": limits.max_bits})
    merged = given.over(its)
    if limits.in_flight is None:
        return merged
    most = merged.in_flight if isinstance(merged.in_flight, int) else limits.in_flight
    return replace(merged, in_flight=min(most, limits.in_flight))


def connect(url: str, *, map: Any = None, **given: Any) -> Client:
    """Connect to ``tcp://host[:port][?option=value&...]``; ``sim:`` makes a simulator on the spot.

    Options given here beat those in the URL.

    Raises
    ------
    ConnectionFailed
        Within `connect_timeout`.
    TypeError, ValueError
        A bad URL or option.
    """
    target = options.parse_url(url)
    wanted = {name: value for name, value in given.items() if value is not None}
    merged = options.parse(given).over(target.options)
    wanted = {name: value for name in merged.__slots__ if (value := getattr(merged, name)) is not None}
    if target.scheme == "sim":
        from .simulator import Simulator

        simulator = Simulator().start()
        client = Client("127.0.0.1", simulator.port, map=map, **wanted)
        client._companion = simulator
        return client.connect()
    return Client(target.host, target.port, map=map, **wanted).connect()
