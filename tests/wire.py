"""What really went over the wire: captures the loopback traffic of a port with dumpcap and has tshark dissect it.

    with capture(port, tmp_path) as traffic:
        ...talk...
    assert not traffic.malformed
    assert all(segment.is_one_frame for segment in traffic.requests)

The capture has begun when the block is entered and has everything when it is left: a marked datagram is sent before and
after, and waited for in the capture itself.
"""

import shutil
import socket
import subprocess
import sys
import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.01


class CannotCapture(RuntimeError):
    """dumpcap does not run, or may not listen."""


def missing() -> str | None:
    """What has to be installed before `capture` works."""
    absent = [tool for tool in ("dumpcap", "tshark") if not shutil.which(tool)]
    return f"{' and '.join(absent)} (package tshark)" if absent else None


@dataclass(frozen=True)
class Adu:
    """One Modbus/TCP frame as tshark sees it; `fields` maps names (`modbus.func_code`) to their values as text."""

    fields: dict[str, list[str]]

    def number(self, name: str) -> int:
        return int(self.fields[name][0], 0)

    @property
    def transaction_id(self) -> int:
        return self.number("mbtcp.trans_id")

    @property
    def unit(self) -> int:
        return self.number("mbtcp.unit_id")

    @property
    def function(self) -> int:
        return self.number("modbus.func_code")

    @property
    def size(self) -> int:
        return 6 + self.number("mbtcp.len")

    @property
    def is_exception(self) -> bool:
        return "modbus.exception_code" in self.fields


@dataclass(frozen=True)
class Segment:
    """One TCP segment that carries data: `size` bytes from `sequence` on, counted from 0.

    `adus` are the frames that end in it; a repeated segment has none.
    """

    number: int
    sequence: int
    source: int
    destination: int
    size: int
    adus: list[Adu]
    malformed: bool
    complaints: list[str]

    @property
    def is_one_frame(self) -> bool:
        """Neither more nor less than one frame."""
        return len(self.adus) == 1 and self.adus[0].size == self.size


class Traffic:
    """What was captured; complete once the block is left."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.segments: list[Segment] = []

    @property
    def requests(self) -> list[Segment]:
        return [segment for segment in self.segments if segment.destination == self.port]

    @property
    def answers(self) -> list[Segment]:
        return [segment for segment in self.segments if segment.source == self.port]

    @property
    def malformed(self) -> list[Segment]:
        """Segments that tshark could not dissect, or about which it complains."""
        return [segment for segment in self.segments if segment.malformed or segment.complaints]

    @property
    def request_adus(self) -> list[Adu]:
        return [adu for segment in self.requests for adu in segment.adus]

    @property
    def answer_adus(self) -> list[Adu]:
        return [adu for segment in self.answers for adu in segment.adus]


@contextmanager
def capture(port: int, directory: Path) -> Iterator[Traffic]:
    """Capture the TCP traffic of a loopback port; the file stays in `directory`."""
    traffic = Traffic(port)
    path = directory / f"port-{port}-{uuid.uuid4().hex}.pcapng"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as marker:
        marker.bind(("127.0.0.1", 0))
        with dumpcap(port, marker.getsockname()[1], path) as process:
            mark(marker, path, process)
            yield traffic
            mark(marker, path, process)
    traffic.segments = dissect(path, port)


@contextmanager
def dumpcap(port: int, marker_port: int, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    wanted = f"tcp port {port} or udp port {marker_port}"
    command = ["dumpcap", "-q", "-i", LOOPBACK, "-f", wanted, "-w", "-"]
    errors = path.with_suffix(".stderr")
    with path.open("wb") as out, errors.open("wb") as err, subprocess.Popen(command, stdout=out, stderr=err) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def mark(marker: socket.socket, path: Path, process: subprocess.Popen[bytes]) -> None:
    """Send a datagram to ourselves again and again until the capture shows it: everything before it is there too."""
    token = uuid.uuid4().bytes
    deadline = time.monotonic() + PATIENCE_SECONDS
    while token not in path.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise CannotCapture(path.with_suffix(".stderr").read_text())
        marker.sendto(token, marker.getsockname())
        marker.recv(len(token))
        time.sleep(POLL_SECONDS)


def dissect(path: Path, port: int) -> list[Segment]:
    """Let tshark read the file, taking the port for Modbus."""
    modbus = ["-d", f"tcp.port=={port},mbtcp", "-o", f"mbtcp.tcp.port:{port}"]  # the second tells requests from answers
    command = ["tshark", "-r", str(path), *modbus, "-Y", "tcp.len > 0", "-T", "pdml"]
    run = subprocess.run(command, capture_output=True, check=False)
    if run.returncode:
        raise CannotCapture(run.stderr.decode())
    return [segment_of(packet) for packet in ET.fromstring(run.stdout).iter("packet")]


def segment_of(packet: ET.Element) -> Segment:
    def number(name: str) -> int:
        [found] = packet.findall(f".//field[@name='{name}']")
        return int(found.get("show", ""))

    return Segment(
        number=number("frame.number"),
        sequence=number("tcp.seq") - 1,
        source=number("tcp.srcport"),
        destination=number("tcp.dstport"),
        size=number("tcp.len"),
        adus=adus_of(packet),
        malformed=packet.find("./proto[@name='_ws.malformed']") is not None,
        complaints=complaints_of(packet),
    )


def adus_of(packet: ET.Element) -> list[Adu]:
    """Frames in the order in which they are in the segment: an mbtcp layer each, then its modbus layer."""
    adus: list[Adu] = []
    for layer in packet.findall("proto"):
        if layer.get("name") == "mbtcp":
            adus.append(Adu({}))
        if layer.get("name") in ("mbtcp", "modbus"):
            for each in layer.iter("field"):
                adus[-1].fields.setdefault(each.get("name", ""), []).append(each.get("show", ""))
    return adus


def complaints_of(packet: ET.Element) -> list[str]:
    """What the Modbus dissectors remark on. TCP's own remarks (retransmissions and so on) do not count."""
    layers = [layer for layer in packet.findall("proto") if layer.get("name") in ("mbtcp", "modbus")]
    remarks = [each for layer in layers for each in layer.iter("field") if each.get("name") == "_ws.expert.message"]
    return [each.get("show", "") for each in remarks]
