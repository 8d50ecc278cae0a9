"""Options and URLs: what they take, who beats whom, and what is refused in which words."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus.options import BUILT_IN, LONGEST, OF_CONNECTION, Options, parse, parse_url, seconds, without
from untouched import refused


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1, 1.0),
        (0.25, 0.25),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (Fraction(1, 4), 0.25),
        ("3", 3.0),
        ("3s", 3.0),
        ("100ms", 0.1),
        (" 250 us ", 250e-6),
        ("2min", 120.0),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1e-2", 0.01),
        ("1e3ms", 1.0),
        (LONGEST, LONGEST),
    ],
)
def test_times(given: Any, expected: float) -> None:
    assert seconds("timeout", given) == pytest.approx(expected, rel=1e-12)


def test_zero_is_a_time_only_where_it_means_something() -> None:
    assert parse({"request_gap": 0, "connect_delay": "0s"}) == Options(request_gap=0.0, connect_delay=0.0)
    with refused(ValueError, "idle_close", 0, "more than 0"):
        parse({"idle_close": 0})
    with refused(ValueError, "request_gap", -1, "0 to 1e+09"):
        parse({"request_gap": -1})


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("unit", 0, 255), ("retries", 0, 100), ("in_flight", 1, 4096), ("max_registers", 1, 125), ("max_bits", 1, 2000)],
)
def test_integers(name: str, low: int, high: int) -> None:
    for value in (low, high, np.int32(low)):
        assert getattr(parse({name: value}), name) == value
    for value in (low - 1, high + 1):
        with refused(ValueError, name, value, f"{low} to {high}"):
            parse({name: value})
    for wrong in (1.0, True, [1]):
        with refused(TypeError, name):
            parse({name: wrong})


@pytest.mark.parametrize("name", ["coalesce", "read_only", "pipeline_writes"])
def test_flags(name: str) -> None:
    assert getattr(parse({name: True}), name) is True
    for wrong in (1, 0, "yes", 1.0):
        with refused(TypeError, name, repr(wrong), "True and False"):
            parse({name: wrong})


def test_words() -> None:
    assert parse({"write_single": "fc16", "in_flight": "auto"}) == Options(write_single="fc16", in_flight="auto")
    with refused(ValueError, "write_single", "'fc6'", "'fc06' and 'fc16'"):
        parse({"write_single": "fc6"})
    with refused(ValueError, "in_flight", "'many'", "1 to 4096 and 'auto'"):
        parse({"in_flight": "many"})
    with refused(TypeError, "name", 5, "a str"):
        parse({"name": 5})
    with refused(TypeError, "source_address", "a str"):
        parse({"source_address": ("127.0.0.1", 0)})


def test_quirks() -> None:
    assert parse({"quirks": "tid_zero"}).quirks == ("tid_zero",)
    assert parse({"quirks": ["tid_zero", "unit_zero"]}).quirks == ("tid_zero", "unit_zero")
    with refused(ValueError, "quirks", "'tid'", "tid_zero, unit_zero, exception_length, trailing_crc"):
        parse({"quirks": ["tid"]})
    with refused(TypeError, "quirks", 5, "a sequence of names"):
        parse({"quirks": 5})


def test_unknown_options_are_named_beside_the_known() -> None:
    with refused(TypeError, "'timeuot'", "timeout", "in_flight", "read_only"):
        fm.Client("127.0.0.1", timeuot=3)
    with fm.connect("sim:") as client, refused(TypeError, "'port'", "timeout"):
        client.at(1, port=503)


def test_none_is_no_wish() -> None:
    assert parse(dict.fromkeys(Options._fields)) == Options()


def test_every_option_has_a_built_in_value_or_none_by_intention() -> None:
    without_value = {name for name in Options._fields if getattr(BUILT_IN, name) is None}
    of_the_way = {"transport", "ca", "cert", "key", "server_name", "ssl_context"}
    assert without_value == {"deadline", "idle_close", "name", "source_address"} | of_the_way
    assert set(Options._fields) >= OF_CONNECTION


def test_the_stronger_wins_and_of_limits_the_smaller() -> None:
    weak = Options(unit=1, timeout=3.0, max_registers=50, max_bits=100, retries=2)
    strong = Options(unit=2, max_registers=80, max_bits=60)
    assert strong.over(weak) == Options(unit=2, timeout=3.0, max_registers=50, max_bits=60, retries=2)
    assert Options().over(weak) == weak
    assert without(weak, frozenset({"unit", "retries"})).over(Options(unit=9)).unit == 9


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("tcp://10.0.0.5", "10.0.0.5", 502),
        ("tcp://10.0.0.5/", "10.0.0.5", 502),
        ("tcp://10.0.0.5:1502", "10.0.0.5", 1502),
        ("10.0.0.5", "10.0.0.5", 502),
        ("plc-7.example:65535", "plc-7.example", 65535),
        ("tcp://[::1]", "::1", 502),
        ("[fe80::1]:1", "fe80::1", 1),
        ("TCP://PLC:503?unit=1", "plc", 503),
    ],
)
def test_urls(url: str, host: str, port: int) -> None:
    target = parse_url(url)
    assert (target.scheme, target.host, target.port) == ("tcp", host, port)
    again = parse_url(target.url)
    assert (again.host, again.port) == (host, port)


def test_options_in_a_url() -> None:
    target = parse_url(
        "tcp://plc?unit=0x11&timeout=500ms&in_flight=8&coalesce=true&read_only=0&name=pump%20house&write_single=fc16"
        "&quirks=tid_zero,unit_zero&source_address=10.0.0.1"
    )
    assert target.options == Options(
        unit=17,
        timeout=0.5,
        in_flight=8,
        coalesce=True,
        read_only=False,
        name="pump house",
        write_single="fc16",
        quirks=("tid_zero", "unit_zero"),
        source_address="10.0.0.1",
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "no host"),
        ("tcp://", "no host"),
        ("tcp://:502", "no host"),
        ("rtu://plc", "'rtu' is none of tcp, tls, udp, sim"),
        ("tcp://plc:0", "its port is 0"),
        ("tcp://plc:65536", "1 to 65535"),
        ("tcp://plc:x", "1 to 65535"),
        ("tcp://plc:-1", "1 to 65535"),
        ("::1", "in brackets"),
        ("tcp://[::1", "IPv6"),
        ("tcp://plc/7", "more than host, port and options"),
        ("tcp://user:secret@plc", "more than host, port and options"),
        ("tcp://plc#7", "more than host, port and options"),
        ("tcp://plc?unit", "unit"),
        ("tcp://plc?unit=256", "unit is 256; allowed are 0 to 255"),
        ("tcp://plc?unit=x", "unit is 'x'"),
        ("tcp://plc?coalesce=perhaps", "coalesce is 'perhaps'"),
        ("tcp://plc?timeout=soon", "timeout is 'soon'"),
        ("tcp://plc?speed=1", "no option 'speed'"),
    ],
)
def test_bad_urls(url: str, words: str) -> None:
    with refused(ValueError, repr(url)):
        fm.connect(url)
    with pytest.raises(ValueError, match="url is") as caught:
        parse_url(url)
    assert words in str(caught.value)


@pytest.mark.parametrize("url", [None, 5, b"tcp://plc"], ids=repr)
def test_a_url_is_a_text(url: Any) -> None:
    with refused(TypeError, "url", type(url).__name__):
        fm.connect(url)


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_row_28_port_out_of_range(port: int) -> None:
    with refused(ValueError, "port", port, "1 to 65535"):
        fm.Client("127.0.0.1", port)


@pytest.mark.parametrize("port", ["x", "502", 502.0, True], ids=repr)
def test_row_28_port_of_another_type(port: Any) -> None:
    with refused(TypeError, "port", type(port).__name__, "1 to 65535"):
        fm.Client("127.0.0.1", port)


@pytest.mark.parametrize("host", [None, 5, b"127.0.0.1"], ids=repr)
def test_a_host_is_a_text(host: Any) -> None:
    with refused(TypeError, "host", repr(host)):
        fm.Client(host)


def test_a_host_is_not_empty() -> None:
    with refused(ValueError, "host", "empty"):
        fm.Client("")


def test_arguments_beat_the_url_and_the_url_beats_what_is_built_in() -> None:
    with fm.Simulator(units=(5, 6), registers={"hr": range(100)}) as simulator:
        simulator.unit(6).holding[:] = 6
        with fm.connect(f"{simulator.url}?unit=5&max_registers=20&write_single=fc16") as client:
            assert client.unit == 5
            assert client.read_holding_registers(0, 41).tolist() == list(range(41))
            assert simulator.requests == 3
            client.write_register(0, 1)
            assert simulator.log[-1].function == 16
        with fm.connect(f"{simulator.url}?unit=5&max_registers=20", unit=6, max_registers=60) as client:
            assert client.read_holding_registers(0, 40).tolist() == [6] * 40
            assert [request.unit for request in simulator.log[-2:]] == [6, 6]
            assert client.read_holding_registers(3, unit=5).tolist() == [3]
        with fm.connect(f"{simulator.url}?unit=5", unit=None) as client:
            assert client.unit == 5
