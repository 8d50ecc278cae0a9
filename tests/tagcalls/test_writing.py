"""What writing by name sends, request by request: without a socket."""

import pytest

from fastmodbus import errors
from fastmodbus.naming import Names
from fastmodbus.tagcalls import write
from simulated import Device
from unwired import Wireless, call

MASK_WRITE = 22


class Without(Device):
    """A device that lacks function 22, or all of them for a while."""

    def __init__(self, *functions):
        super().__init__()
        self.lacking = set(functions)

    def __call__(self, pdu, unit=1):
        return bytes([pdu[0] | 0x80, 1]) if pdu[0] in self.lacking else super().__call__(pdu, unit)


@pytest.fixture
def wire():
    return Wireless(Without(MASK_WRITE))


@pytest.fixture
def names():
    return Names(None, unit=1, max_registers=125, max_bits=2000)


def functions(wire):
    return [int(text[:2], 16) for text in wire.asked()]


def test_a_unit_that_has_function_22_is_asked_for_it(names):
    wire = Wireless(Device())
    for _ in range(2):
        wire.run(write(call(), names, {"hr5.0": True}, False))
    assert functions(wire) == [22, 22]
    assert names.learnt.no_mask_write == ()


def test_a_unit_without_function_22_is_asked_for_it_once(wire, names):
    wire.device.holding[5] = 0x00F0
    wire.run(write(call(), names, {"hr5.0": True}, False))
    wire.run(write(call(), names, {"hr5.15": True, "hr6.1": False}, False))
    assert functions(wire) == [22, 3, 6, 3, 6, 3, 6]
    assert wire.device.holding[5] == 0x80F1
    assert names.learnt.no_mask_write == (1,)


def test_it_is_another_matter_for_another_unit(wire, names):
    wire.device.responder.attach(7, wire.device.bank)
    wire.run(write(call(), names, {"hr5.0": True, "7/hr5.1": True}, False))
    assert functions(wire) == [22, 3, 6, 22, 3, 6]
    assert names.learnt.no_mask_write == (1, 7)


def test_a_device_that_knows_no_function_teaches_nothing(wire, names):
    wire.device.lacking |= {3, 6}
    with pytest.raises(errors.IllegalFunction):
        wire.run(write(call(), names, {"hr5.0": True}, False))
    assert names.learnt.no_mask_write == ()


def test_it_is_tried_again_after_a_rest(wire, names):
    wire.run(write(call(), names, {"hr5.0": True}, False))
    names.freshen(1e12)
    wire.device.lacking.clear()
    wire.asked()
    wire.run(write(call(), names, {"hr5.0": True}, False))
    assert functions(wire) == [22]
