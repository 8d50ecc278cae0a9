"""The simulator as its users know it: what it holds, what it does wrong, what it was asked.

Ring 3. What a request means is the core's business (responder), what a device holds is unit.py's, when and as what an
answer leaves is schedule.py's, sockets and the thread are serving.py's.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from fastmodbus._core.responder import Responder
from fastmodbus.maps import Map
from fastmodbus.samples.table import Instant
from fastmodbus.simulator.effect import Alteration
from fastmodbus.simulator.faults import Fault, Place, make_fault
from fastmodbus.simulator.listening import check
from fastmodbus.simulator.named import NamedValues
from fastmodbus.simulator.record import Request, RequestLog
from fastmodbus.simulator.schedule import Schedule
from fastmodbus.simulator.serving import Serving
from fastmodbus.simulator.unit import Table, Unit

LOG_LIMIT = 10_000


class Simulator(Serving):
    """A simulated Modbus TCP device: a real server, on loopback unless told otherwise.

    Parameters
    ----------
    map : str, path or Map, optional
        What the device offers by name: ``sim["pressure"] = 4.2``. ``sim["hr0:f32"] = 1`` needs none.
    host : str
        Address to listen on. Nobody is asked for a password: leave it on loopback.
    port : int
        0 takes a free one; it is kept when the simulator is closed and started again.
    units : sequence of int
        Unit identifiers behind this address, 0 to 255, each with tables of its own.
    registers : mapping, optional
        First contents of the first unit: area (``co``, ``di``, ``ir``, ``hr``) -> array from address 0 on, or
        area -> {address: value}.
    sizes : mapping, optional
        Area -> number of addresses; 65536 by default. What lies beyond is exception 2.
    answer_delay : float
        Seconds between a request's arrival and its answer; pipelined requests wait side by side.
    service_time : float
        Seconds that each request of a connection takes, one after the other, as behind a serial gateway. The values of
        an answer are those of the request's arrival in either case.
    max_in_flight : int, optional
        Requests of one connection that may be unanswered; those beyond it get exception 6 at once (mg 4.4.2.2).
        Requests that come in one receive are all unanswered at that moment.
    one_answer_per_receive : bool
        Answer only the first request of what one receive brings, as some devices do.
    unknown_unit : {"silent", "gateway", "answer"}
        What a request for a unit that is not there gets: nothing, exception 0x0B, or the first unit's answer.
    illegal : iterable of str
        Ranges of the first unit that answer exception 2 for good, such as ``"hr100-110"``.
    seed : int
        For the dice of faults.
    ssl_context : ssl.SSLContext, optional
        Of the server's side: it speaks TLS.
    transport : {"tcp", "udp"}
        With UDP a datagram is a request, and each address that sends one counts as a connection.

    Attributes
    ----------
    lock : threading.RLock
        Held while requests are answered; hold it to change several values at once. Not while closing.
    answer_delay, service_time, max_in_flight, one_answer_per_receive
        May be changed while it runs; they hold for the requests that arrive from then on.

    Examples
    --------
    >>> with Simulator(registers={"hr": {40: 1234}}) as sim:
    ...     print(sim.holding[40], sim.requests)
    1234 0
    """

    def __init__(
        self,
        map: str | Path | Map | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        units: Sequence[int] = (1,),
        registers: Mapping[str, Table] | None = None,
        sizes: Mapping[str, int] | None = None,
        answer_delay: float = 0.0,
        service_time: float = 0.0,
        max_in_flight: int | None = None,
        one_answer_per_receive: bool = False,
        unknown_unit: Literal["silent", "gateway", "answer"] = "silent",
        illegal: Iterable[str] = (),
        seed: int = 0,
        ssl_context: Any = None,
        transport: Literal["tcp", "udp"] = "tcp",
    ) -> None:
        check(
            port=port,
            units=units,
            answer_delay=answer_delay,
            service_time=service_time,
            max_in_flight=max_in_flight,
            transport=transport,
            secured=ssl_context is not None,
        )
        self.lock = threading.RLock()
        self.answer_delay = answer_delay
        self.service_time = service_time
        self.max_in_flight = max_in_flight
        self.one_answer_per_receive = one_answer_per_receive
        self._host = host
        self._port = port
        self._ssl_context = ssl_context
        self._transport: str = transport if ssl_context is None else "tls"
        self._responder = Responder(unknown_unit)
        self._units = {number: Unit(sizes) for number in units}
        for number, unit in self._units.items():
            self._responder.attach(number, unit.bank)
        self._first = self._units[units[0]]
        self._first.load(registers or {})
        for text in illegal:
            self._first.fail(text)
        self._named = NamedValues(map, self.unit, units[0])
        self._log = RequestLog(LOG_LIMIT)
        self._schedule = Schedule(seed)
        self._thread: threading.Thread | None = None
        self._accepted = 0

    @classmethod
    def replay(
        cls,
        path: str | PathLike[str],
        *,
        device: str | None = None,
        start: Instant | None = None,
        stop: Instant | None = None,
        speed: float = 1.0,
        repeat: bool = False,
        **options: Any,
    ) -> Self:
        """A simulator that serves a recording with its timing, beginning when it is started.

        Parameters
        ----------
        path : str or path
            What `fastmodbus.load` reads.
        device : str, optional
            Only this one. Several devices are units 1, 2 ... in the order of their names.
        start, stop : str, datetime or numpy.datetime64, optional
            The time to serve.
        speed : float
            How much faster than it was.
        repeat : bool
            Begin again at the end; otherwise the last values stay.
        **options
            Of the simulator.
        """
        from fastmodbus.simulator.replay import players_of

        players = players_of(path, device, start, stop, speed, repeat)
        made = cls(players[0].map, units=range(1, len(players) + 1), **options)
        for number, player in enumerate(players, 1):
            named = made._named if number == 1 else NamedValues(player.map, made.unit, number)
            made._named.follow(partial(player.refresh, put=named.put))
        return made

    # The device

    @property
    def holding(self) -> npt.NDArray[np.uint16]:
        """Holding registers of the first unit, by address."""
        return self._first.holding

    @property
    def input(self) -> npt.NDArray[np.uint16]:
        """Input registers of the first unit, by address."""
        return self._first.input

    @property
    def coils(self) -> npt.NDArray[np.bool_]:
        """Coils of the first unit, by address."""
        return self._first.coils

    @property
    def discrete(self) -> npt.NDArray[np.bool_]:
        """Discrete inputs of the first unit, by address."""
        return self._first.discrete

    def unit(self, number: int) -> Unit:
        """One of the units, with tables of its own."""
        if number not in self._units:
            raise ValueError(f"there is no unit {number}; units are {', '.join(map(str, self._units))}")
        return self._units[number]

    def __setitem__(self, name: str, value: Any) -> None:
        """Set a value by the name of a tag or by its address, in the tag's units; None is "no value", where it has one.

        A function gets the seconds since `start` and is asked whenever requests arrive, on the simulator's thread.
        """
        with self.lock:
            self._named.put(name, value)

    def __getitem__(self, name: str) -> Any:
        """The value of a tag or an address as a client reads it."""
        with self.lock:
            return self._named.get(name)

    def fail(self, where: str, code: int = 2, times: int | None = None) -> None:
        """Answer requests to the first unit that touch a range (``"hr100-110"``) with an exception; see `Unit.fail`."""
        self._first.fail(where, code, times)

    # What goes wrong on the way

    def fault(
        self, kind: str | Alteration, p: float = 1.0, times: int | None = None, where: Place | None = None, **how: Any
    ) -> Fault:
        """Let something go wrong with answers on their way out.

        Parameters
        ----------
        kind : str or callable
            ``drop``, ``duplicate`` (copies=2), ``delay`` (seconds), ``split`` (size=1, gap=0.0), ``close`` (sent=0),
            ``reset`` (sent=0), ``transaction_id`` (value=None), ``unit`` (value=None); one of the deviations of
            docs/reliability.md, such as ``len_short_by_2``; or a function from the bytes of the answer's ADU to those
            that leave instead, or to an `Effect`. It runs on the simulator's thread.
        p : float
            Probability, for each answer.
        times : int, optional
            How many answers are struck at most.
        where : str or callable, optional
            Answers to which requests: a range such as ``"hr100-110"``, or a function of the `Request`.

        Returns
        -------
        Fault
            Its `struck` counts. Of several faults the first that strikes an answer is the only one.
        """
        made = make_fault(kind, p, times, where, how)
        with self.lock:
            self._schedule.faults.append(made)
        return made

    def clear_faults(self) -> None:
        """Let answers through again."""
        with self.lock:
            self._schedule.faults.clear()

    def disconnect(self, *, reset: bool = False) -> None:
        """Drop all current connections, with FIN or RST. No request on them is answered from now on."""
        if self._thread is None:
            return
        with self.lock:
            self._accept()
            for connection in self._open:
                connection.ending = "reset" if reset else "close"
                connection.out.clear()
                self._touched.add(connection)
        self._alarm.ring()

    # What was seen

    @property
    def requests(self) -> int:
        """Complete requests received so far, answered or not."""
        return self._log.total

    @property
    def log(self) -> list[Request]:
        """The newest requests (up to 10000), oldest first."""
        with self.lock:
            return self._log.requests()

    def clear_log(self) -> None:
        """Forget the log; the count goes on."""
        with self.lock:
            self._log.clear()

    @property
    def connections(self) -> int:
        """Connections accepted so far."""
        return self._accepted

    # Life

    @property
    def port(self) -> int:
        """The port listened on; 0 before a free one is taken."""
        return self._port

    @property
    def url(self) -> str:
        """What `fastmodbus.connect` takes."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._transport}://{host}:{self._port}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._thread is None else "running"
        return f"<Simulator {self.url}, units {', '.join(map(str, self._units))}, {state}>"
