"""The blocking client: every Modbus function as a method, numpy arrays in and out. It holds no protocol rule.

What a method does is in `calls` and `tagcalls`; here it is run on the link, which all views and threads share.
"""

from __future__ import annotations

from typing import Any

from .. import options
from ..settings import Settings
from ..transport import Link
from .functions import Functions
from .named import Named
from .polled import Polled
from .tables import Tables


class Client(Named, Polled, Tables, Functions):
    """A Modbus/TCP client: one connection, kept open, many requests in flight.

    It connects at the first call and again after a loss. Threads may share it; their calls share the window.

    Parameters
    ----------
    host : str
        Name or address, IPv4 or IPv6.
    port : int, default 502, over TLS 802
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
    transport : {"tcp", "tls", "udp"}, optional
        Without it TLS where one of the options below is given, else TCP.
    ca, cert, key : str or path, optional
        For TLS: the authorities to trust (else the system's), this client's certificate with its chain, its key.
    server_name : str, optional
        The name that the device's certificate must have; the host unless given.
    ssl_context : ssl.SSLContext, optional
        Instead of the files.
    map : str, path or Map, optional
        What the device offers by name; see `load_map`. Its options and limits count where nothing else is given.
    learnt : str or path, optional
        A file that keeps what reading and writing by name teaches about the unit, for the next process: read now, where
        there is one, and written when there is something new.

    Raises
    ------
    TypeError, ValueError
        An option is unknown, of the wrong type or out of range; a file cannot be used or has something else.
    """

    def __init__(
        self, host: str, port: int | None = None, *, map: Any = None, learnt: Any = None, **given: Any
    ) -> None:
        settings = Settings.of_client(host, port, map, learnt, given)
        where = settings.default.where
        self._link = Link(where.host, where.port, settings.options)
        self._set_up(settings)

    def at(self, unit: int, *, map: Any = None, learnt: Any = None, **given: Any) -> Client:
        """A view of another unit behind the same connection, with options, a map and learnt facts of its own.

        Raises
        ------
        TypeError
            An option that belongs to the connection, which all views share.
        """
        settings = self._settings.view(unit, map, learnt, given)
        view: Client = type(self).__new__(type(self))
        view._link = self._link
        view._set_up(settings, self)
        return view


def connect(url: str, *, map: Any = None, learnt: Any = None, **given: Any) -> Client:
    """Connect to ``tcp://host[:port][?option=value&...]``, also ``tls`` and ``udp``; ``sim:`` makes a simulator.

    Options given here beat those in the URL.

    Raises
    ------
    ConnectionFailed
        Within `connect_timeout`.
    TypeError, ValueError
        A bad URL or option.
    """
    target = options.parse_url(url)
    wanted = target.wanted(given)
    if target.scheme == "sim":
        from ..simulator import Simulator

        simulator = Simulator().start()
        client = Client("127.0.0.1", simulator.port, map=map, learnt=learnt, **wanted)
        client._companion = simulator
        return client.connect()
    return Client(target.host, target.port, map=map, learnt=learnt, **wanted).connect()
