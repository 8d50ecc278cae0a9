"""The error tree: who is whose child, what errors carry, and that it survives pickling and copying."""

import copy
import inspect
import pickle

import numpy as np
import pytest

import fastmodbus as fm
from fastmodbus import errors

CLASSES = [getattr(errors, name) for name in errors.__all__]


def test_one_tree() -> None:
    assert all(issubclass(each, errors.ModbusError) for each in CLASSES)
    defined = {each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__}
    assert set(CLASSES) == defined


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (errors.RequestTimeout, (TimeoutError, OSError)),
        (errors.ConnectionFailed, (ConnectionError, OSError)),
        (errors.ClientClosed, (errors.ConnectionFailed, ConnectionError)),
        (errors.ForkedClient, (errors.ConnectionFailed, ConnectionError)),
        (errors.MapError, (ValueError,)),
        (errors.RecorderError, (OSError,)),
        (errors.IllegalFunction, (errors.DeviceError,)),
    ],
)
def test_errors_are_also_what_python_programmers_expect(
    kind: type[Exception], parents: tuple[type[Exception], ...]
) -> None:
    assert all(issubclass(kind, parent) for parent in parents)


def test_a_refusal_is_neither_a_timeout_nor_a_broken_connection() -> None:
    for each in (errors.DeviceError, errors.ProtocolError):
        assert not issubclass(each, OSError)


@pytest.mark.parametrize("code", range(256))
def test_every_exception_code_has_a_class(code: int) -> None:
    kind = errors.device_error(code)
    assert issubclass(kind, errors.DeviceError)
    named = {1, 2, 3, 4, 5, 6, 8, 10, 11}
    assert (kind is not errors.DeviceError) is (code in named)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickling(kind: type[errors.ModbusError], protocol: int) -> None:
    inner = errors.DeviceFailure("inner", code=4)
    error = kind(
        "what went wrong", unit=7, function=16, address=100, count=3, outcome_unknown=True, written=(range(5),),
        partial=np.arange(3, dtype=np.uint16), ok=np.array([True, False, True]), errors=(inner,),
        code=4, host="plc", port=502, file="a.toml", tag="kwh", field="scale",
    )  # fmt: skip
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is kind
    assert str(again) == str(error) == "what went wrong"
    assert again.args == error.args
    assert again.__dict__.keys() == error.__dict__.keys()
    assert (again.unit, again.function, again.address, again.count) == (7, 16, 100, 3)
    assert (again.outcome_unknown, again.written) == (True, (range(5),))
    assert again.partial.tolist() == [0, 1, 2]
    assert again.partial.dtype == np.uint16
    assert again.ok.tolist() == [True, False, True]
    assert (type(again.errors[0]), again.errors[0].code) == (errors.DeviceFailure, 4)


def test_an_error_that_carries_itself_can_be_pickled() -> None:
    """The first of a bulk read's errors is the one that is raised."""
    with fm.Simulator(illegal=["hr130"]) as simulator, fm.connect(simulator.url) as client:
        with pytest.raises(fm.IllegalDataAddress) as caught:
            client.read_holding_registers(0, 300)
        with pytest.raises(fm.ModbusError) as written:
            client.write_registers(0, range(300))
    for error in (caught.value, written.value):
        for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            assert type(again) is type(error)
            assert str(again) == str(error)
            assert again.__dict__.keys() == error.__dict__.keys()
            assert again.written == error.written
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.errors[0] is again
    assert again.ok.sum() == 175


def test_what_is_not_known_has_a_default() -> None:
    error = errors.ModbusError("plain")
    assert (error.unit, error.function, error.address, error.count) == (None, None, None, None)
    assert error.outcome_unknown is False
    assert error.written == error.errors == ()
    assert error.partial is error.ok is None
    assert errors.DeviceError().code == 0
    assert (errors.ConnectionFailed().host, errors.ConnectionFailed().port) == ("", 0)
