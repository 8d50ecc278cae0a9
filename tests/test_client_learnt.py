"""What a device taught one process serves the next: the file of a client's `learnt`, and plans that are saved."""

import logging
import math

import pytest

import fastmodbus as fm
from polling import wait_for

NAMES = ["hr0", "hr3", "hr7", "hr8"]


@pytest.fixture
def device():
    with fm.Simulator(illegal=["hr5", "hr8"], units=(1, 7)) as simulator:
        yield simulator


def asked(device):
    spans = [request.span[1:] for request in device.log]
    device.clear_log()
    return spans


def learn(device, **given):
    with fm.connect(device.url, **given) as client:
        with pytest.raises(fm.IllegalDataAddress):
            client.read(NAMES)
        client.read(NAMES)  # bridges that were given up in search of hr8 got another chance
    asked(device)


def test_the_next_process_asks_only_what_the_device_answers(device, tmp_path):
    kept = tmp_path / "plc.json"
    learn(device, learnt=kept)
    with fm.connect(device.url, learnt=str(kept)) as client:
        found = client.read(NAMES)
        assert math.isnan(found.pop("hr8"))
        assert found == {"hr0": 0, "hr3": 0, "hr7": 0}
        first = asked(device)
        assert [(read.address, read.end) for read in client.read_plan(NAMES).reads] == first
        assert client.read(["hr0", "hr9"]) == {"hr0": 0, "hr9": 0}
        assert asked(device) == [(0, 1), (9, 10)]
    assert all(not low <= 8 < high for low, high in first)


def test_a_saved_plan_is_such_a_file(device, tmp_path):
    path = tmp_path / "plc.json"
    with fm.connect(device.url) as client:
        with pytest.raises(fm.IllegalDataAddress):
            client.read(NAMES)
        text = client.read_plan(NAMES).save(path)
        plan = client.read_plan(NAMES)
    assert fm.ReadPlan(plan.tags).load(path).reads == plan.reads == fm.ReadPlan(plan.tags).load(text).reads
    asked(device)
    with fm.connect(device.url, learnt=path) as client:
        assert client.read_plan(NAMES).reads == plan.reads
        assert math.isnan(client.read(NAMES)["hr8"])


def test_what_is_no_longer_so_is_forgotten_in_the_file_too(device, tmp_path):
    kept = tmp_path / "plc.json"
    learn(device, learnt=kept)
    device.unit(1).heal()
    with fm.connect(device.url, learnt=kept) as client:
        assert client.read(NAMES, fresh=True)["hr8"] == 0
    assert fm.ReadPlan(()).load(kept).learnt.holes == {}


def test_a_view_has_a_file_of_its_own(device, tmp_path):
    device.unit(7).fail("hr1")
    with fm.connect(device.url, learnt=tmp_path / "1.json") as client:
        view = client.at(7, learnt=tmp_path / "7.json")
        with pytest.raises(fm.IllegalDataAddress):
            view.read(["hr0", "hr1"])
        with pytest.raises(fm.IllegalDataAddress):
            client.read(["hr5", "hr6"])
    assert fm.ReadPlan(()).load(tmp_path / "7.json").learnt.holes == {"hr1": "hr1"}
    assert fm.ReadPlan(()).load(tmp_path / "1.json").learnt.holes == {"hr5": "hr5"}


def test_a_unit_without_function_22_is_kept(device, tmp_path):
    def refuse(answer):
        return answer[:4] + b"\0\x03" + answer[6:7] + bytes([answer[7] | 0x80, 1])

    device.fault(refuse, where=lambda request: request.function == 22)
    for _ in range(2):
        with fm.connect(device.url, learnt=tmp_path / "plc.json") as client:
            client.write("hr20.3", True)
    assert [request.function for request in device.log] == [22, 3, 6, 3, 6]


def test_how_many_in_flight_paid_is_kept(device, tmp_path):
    kept = tmp_path / "plc.json"
    with fm.connect(device.url, learnt=kept) as client:
        client._link.core.learnt = 8  # whether it pays is the machine's business
        client.read("hr20")
        assert fm.ReadPlan(()).load(client.read_plan("hr20").save()).learnt.in_flight == 8
    assert fm.ReadPlan(()).load(kept).learnt.in_flight == 8
    with fm.connect(device.url, learnt=kept) as client:
        assert client.stats.limit == 8
        assert client.at(7, learnt=tmp_path / "7.json").read_plan("hr20").learnt.in_flight is None
        client.read("hr20", fresh=True)
    assert fm.ReadPlan(()).load(kept).learnt.in_flight == 8
    with fm.connect(device.url, learnt=kept, in_flight=2) as client:
        client.read("hr20")
        assert client.stats.limit == 2
    assert fm.ReadPlan(()).load(kept).learnt.in_flight == 8


def test_what_a_poller_learns_is_kept_and_serves_the_clients_reads(device, tmp_path):
    kept = tmp_path / "plc.json"
    with fm.connect(device.url, learnt=kept) as client, fm.Poller() as poller:
        poller.add(client, ["hr4", "hr6"], every="20ms", group="bridged")
        poller.add(client, ["hr7", "hr8", "hr9"], every="20ms", group="with a hole")
        wait_for(lambda: kept.exists() and fm.ReadPlan(()).load(kept).learnt.unbridged != (), "a gap")
        wait_for(lambda: fm.ReadPlan(()).load(kept).learnt.holes == {"hr8": "hr8"}, "a hole")
        learnt = fm.ReadPlan(()).load(kept).learnt
        assert [(one.first, one.last) for one in learnt.unbridged] == [(4, 6)]  # beside each other, nothing is lost
        assert [str(read) for read in client.read_plan(["hr4", "hr6"]).reads] == ["1/hr4", "1/hr6"]
        assert math.isnan(client.read("hr8"))


def test_nothing_new_writes_nothing(device, tmp_path):
    kept = tmp_path / "plc.json"
    with fm.connect(device.url, learnt=kept) as client:
        client.read("hr0")
        client.write("hr0", 1)
    assert not kept.exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": "fastmodbus-learnt/9"}', '{"holes": {"a": "40001"}}', "voltage"]
)
def test_another_file_is_an_error_that_names_it(device, tmp_path, text):
    kept = tmp_path / "plc.json"
    kept.write_text(text)
    with pytest.raises(ValueError, match=r"plc\.json: these are no learnt facts"):
        fm.Client("127.0.0.1", device.port, learnt=kept)


def test_a_file_that_cannot_be_written_fails_no_call(device, tmp_path, caplog):
    with fm.connect(device.url, learnt=tmp_path / "missing" / "plc.json") as client:
        with caplog.at_level(logging.WARNING, "fastmodbus"), pytest.raises(fm.IllegalDataAddress):
            client.read(["hr7", "hr8"])
        assert math.isnan(client.read(["hr7", "hr8"])["hr8"])
    assert sum("cannot be kept" in record.message for record in caplog.records) == 1


def test_constants_of_a_map_are_read_once_over_each_connection(device, tmp_path):
    path = tmp_path / "meter.toml"
    path.write_text(
        'format = "fastmodbus-map/1"\n[groups]\nstatic = "once"\n'
        '[[tag]]\nname = "serial"\naddress = "hr100"\ngroup = "static"\n'
        '[[tag]]\nname = "level"\naddress = "hr200"\n'
    )
    device.holding[100] = 815
    with fm.connect(device.url, map=path) as meter:
        assert [meter.read() for _ in range(3)] == [{"serial": 815, "level": 0}] * 3
        assert asked(device) == [(100, 101), (200, 201), (200, 201), (200, 201)]
        device.holding[100] = 816
        device.disconnect()
        assert meter.read("serial") == 815  # nothing was sent, so nobody has seen the loss
        assert meter.read() == {"serial": 816, "level": 0}
        assert meter.read("serial", fresh=True) == 816
