"""Reading what a device says of itself: categories, single objects, and devices that never come to an end."""

from collections.abc import Iterator

import pytest

import fastmodbus as fm
from loops import BOTH
from scripted import Connection, ScriptedServer

CLIENTS = BOTH

OBJECTS = {0: "Example & Co", 1: "EX-1", 2: "V1.0", 3: "http://example.com", 4: "Example One", 5: "EX", 6: "Pump"}


@pytest.fixture
def simulator() -> Iterator[fm.Simulator]:
    with fm.Simulator() as running:
        running.unit(1).identify(OBJECTS)
        running.unit(1).identify({i: bytes([i]) * 200 for i in range(0x80, 0x90)})
        yield running


def text(objects: dict[int, str]) -> dict[int, bytes]:
    return {i: value.encode() for i, value in objects.items()}


def test_basic(simulator: fm.Simulator) -> None:
    with fm.connect(simulator.url) as client:
        found = client.read_device_identification()
    assert found.objects == text({i: OBJECTS[i] for i in range(3)})
    assert (found.vendor_name, found.product_code, found.revision) == ("Example & Co", "EX-1", "V1.0")
    assert found.vendor_url is found.product_name is found.model_name is found.user_application_name is None
    assert found.conformity == 0x83


def test_regular(simulator: fm.Simulator) -> None:
    with fm.connect(simulator.url) as client:
        found = client.read_device_identification("regular")
    assert found.objects.items() >= text(OBJECTS).items()
    assert found.vendor_url == "http://example.com"
    assert found.product_name == "Example One"
    assert found.model_name == "EX"
    assert found.user_application_name == "Pump"


def test_extended_takes_several_requests(simulator: fm.Simulator) -> None:
    with fm.connect(simulator.url) as client:
        found = client.read_device_identification("extended")
    assert {i: found.objects[i] for i in range(0x80, 0x90)} == {i: bytes([i]) * 200 for i in range(0x80, 0x90)}
    assert simulator.requests >= 16


@pytest.mark.parametrize("object_id", [0, 6, 0x8F])
def test_one_object(simulator: fm.Simulator, object_id: int) -> None:
    with fm.connect(simulator.url) as client:
        found = client.read_device_identification(object_id=object_id)
    assert list(found.objects) == [object_id]
    assert simulator.requests == 1


def test_an_object_that_is_not_there(simulator: fm.Simulator) -> None:
    with fm.connect(simulator.url) as client, pytest.raises(fm.IllegalDataAddress) as caught:
        client.read_device_identification(object_id=0x55)
    assert caught.value.function == 43


def test_text_that_is_no_utf_8(simulator: fm.Simulator) -> None:
    simulator.unit(1).identify({0: b"M\xfcller"})
    with fm.connect(simulator.url) as client:
        found = client.read_device_identification()
    assert found.vendor_name == "M\N{REPLACEMENT CHARACTER}ller"
    assert found.objects[0] == b"M\xfcller"


def identification(more: int, following: int, objects: dict[int, bytes], count: int | None = None) -> bytes:
    """An answer PDU of function 43/14, regular category."""
    head = bytes([43, 14, 2, 0x82, more, following, len(objects) if count is None else count])
    return head + b"".join(bytes([i, len(value)]) + value for i, value in objects.items())


@pytest.mark.parametrize("following", [0, 1], ids=["from the start again", "the same again"])
def test_a_device_that_never_comes_to_an_end(following: int) -> None:
    def endless(connection: Connection) -> None:
        connection.answer(connection.receive(), identification(0xFF, 1, {0: b"a"}))
        while True:
            connection.answer(connection.receive(), identification(0xFF, following, {0: b"a"}))

    with ScriptedServer(endless) as server, fm.connect(server.url) as client:
        with pytest.raises(fm.ProtocolError, match=f"go on at object {following}, which is not after 1") as caught:
            client.read_device_identification("regular")
        assert (caught.value.function, caught.value.unit) == (43, 1)
        assert len(server.requests) == 2
        assert client.connected


def test_a_device_that_advances_one_by_one_comes_to_an_end() -> None:
    def slow(connection: Connection) -> None:
        while True:
            request = connection.receive()
            asked = request.pdu[3]
            connection.answer(request, identification(0xFF if asked < 255 else 0, asked + 1 & 255, {asked: b"x"}))

    with ScriptedServer(slow) as server, fm.connect(server.url) as client:
        assert client.read_device_identification("regular").objects == dict.fromkeys(range(256), b"x")


def test_fewer_objects_than_announced_as_in_the_specifications_own_example() -> None:
    def short(connection: Connection) -> None:
        connection.answer(connection.receive(), identification(0, 0, {0: b"a", 1: b"b"}, count=3))

    with ScriptedServer(short) as server, fm.connect(server.url) as client:
        assert client.read_device_identification("regular").objects == {0: b"a", 1: b"b"}


def test_bytes_after_the_announced_objects_break_the_protocol() -> None:
    def long(connection: Connection) -> None:
        connection.answer(connection.receive(), identification(0, 0, {0: b"a", 1: b"b", 2: b"?"}, count=2))

    with ScriptedServer(long) as server, fm.connect(server.url) as client, pytest.raises(fm.ProtocolError):
        client.read_device_identification("regular")
