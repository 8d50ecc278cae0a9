"""What was asked for of a client, a view and a call, made complete."""

import pytest

from fastmodbus.calls import NO_DEADLINE
from fastmodbus.maps import Limits, Map
from fastmodbus.settings import Settings
from fastmodbus.tags import Tag

MAP = Map("meter", (Tag("level", "hr0"),), limits=Limits(max_registers=40, in_flight=4), options={"timeout": 2.0})


def of_client(map=None, learnt=None, **given):
    return Settings.of_client("10.0.0.5", 502, map, learnt, given)


def test_what_nobody_gives_is_built_in():
    call = of_client().default
    assert (call.unit, call.timeout, call.retries, call.max_registers) == (1, 3_000_000_000, 2, 125)
    assert call.deadline == NO_DEADLINE
    assert call.where.label == "10.0.0.5:502"


def test_a_map_gives_options_and_limits():
    settings = of_client(MAP, in_flight=9, max_registers=60)
    assert (settings.options.timeout, settings.options.in_flight, settings.default.max_registers) == (2.0, 4, 40)
    assert of_client(MAP, timeout=5).options.timeout == 5.0


def test_a_view_has_its_own_and_else_the_clients():
    settings = of_client(timeout=5, name="line")
    view = settings.view(7, MAP, None, {"retries": 0})
    assert (view.default.unit, view.default.retries, view.options.timeout, view.unit_limit) == (7, 0, 2.0, 4)
    assert settings.view(8, None, None, {}).unit_limit is None
    assert view.default.where.label == "line (10.0.0.5:502)"
    with pytest.raises(TypeError, match="connect_timeout belong to the connection"):
        settings.view(7, None, None, {"connect_timeout": 1})


def test_a_call_has_its_own_and_else_the_settings():
    settings = of_client(timeout=5, deadline=60)
    first, second = settings.call(7, None, None), settings.call(None, "100ms", 1)
    assert (first.unit, first.timeout, first.where.timeout) == (7, 5_000_000_000, 5.0)
    assert (second.unit, second.timeout, second.where.timeout) == (1, 100_000_000, 0.1)
    assert NO_DEADLINE > first.deadline > second.deadline
    with pytest.raises(ValueError, match="unit is 256"):
        settings.call(256, None, None)


def test_names_are_those_of_a_unit_and_know_the_connections():
    settings = of_client(MAP)
    names = settings.names(1)
    assert names is settings.names(1) is not settings.names(2)
    settings.connections = lambda: 3
    assert names.connections() == 3


@pytest.mark.parametrize(("host", "port", "error"), [("", 502, ValueError), (5, 502, TypeError), ("a", 0, ValueError)])
def test_places_that_are_none(host, port, error):
    with pytest.raises(error):
        Settings.of_client(host, port, None, None, {})
