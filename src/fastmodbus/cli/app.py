"""The commands as a user types them: names, arguments, help. What they do is in the module of each.

Only what ``--help`` needs is imported here; numpy, the client and rich's tables come with the command that uses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from fastmodbus import __version__
from fastmodbus.errors import ModbusError

from .line import DEFAULTS, IN_FLIGHT, MAP, Duration, InFlight, Line, Url
from .outcome import FAILED, OK, USAGE, Disagreement, UsageError, complain

app = App(
    name="fastmodbus",
    help="Read, write and simulate Modbus/TCP devices.",
    version=__version__,
    version_flags=["--version"],
    help_format="plaintext",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)


@app.command(usage="Usage: fastmodbus demo [URL [RANGE...]] [OPTIONS]")
def demo(
    url: Annotated[str | None, Parameter(name="URL", help="A device of yours; it is only read.")] = None,
    /,
    *ranges: Annotated[str, Parameter(name="RANGE", help="Read these: hr0-499. [default: whatever is found]")],
    line: Line = DEFAULTS,
    in_flight: Annotated[int, Parameter(help="Requests in flight at once, 1 to 4096.")] = 16,
) -> None:
    """Read many requests at a time, check every value, and compare with one at a time.

    Without a URL it reads the four tables of a device simulated here, which
    takes 5 ms for each answer, and then polls a simulated plant, of which one
    device loses its connection for a while.
    """
    from . import demo as command

    command.demo(url, ranges, line, in_flight)


@app.command(usage="Usage: fastmodbus read URL WHAT... [OPTIONS]")
def read(
    url: Url,
    /,
    *what: Annotated[
        str, Parameter(name="WHAT", help="Ranges: hr100, hr0-99, ir100[10]; values: hr0:f32@CDAB; names: voltage_*.")
    ],
    line: Line = DEFAULTS,
    in_flight: Annotated[InFlight | None, IN_FLIGHT] = None,
    map: Annotated[str | None, MAP] = None,
    format: Annotated[Literal["table", "csv", "json"], Parameter(help="How to print.")] = "table",
    hex: Annotated[bool, Parameter(negative=(), show_default=False, help="Registers in hexadecimal.")] = False,
) -> None:
    """Read coils, discrete inputs, registers and named values, and print them.

    Addresses are those on the wire, counted from 0. With a map alone everything
    in it is read. What cannot be read is left empty, and the exit code is 1.
    """
    if map is not None or not _are_plain(what):
        from . import named

        named.read(url, what, line, in_flight, map, format)
        return
    from . import read as command

    command.read(url, what, line, in_flight, format, hexadecimal=hex)


@app.command(usage="Usage: fastmodbus write URL ADDRESS=VALUE... [OPTIONS]")
def write(
    url: Url,
    /,
    *assignments: Annotated[
        str, Parameter(name="ADDRESS=VALUE", help="hr40=7, hr100=1,2,3, co3=on, co8=1,0,1, hr0:f32=1.5, setpoint=21.5.")
    ],
    line: Line = DEFAULTS,
    map: Annotated[str | None, MAP] = None,
    verify: Annotated[bool, Parameter(negative=(), show_default=False, help="Read named values back.")] = False,
) -> None:
    """Write holding registers, coils and named values.

    Nothing is sent unless all of them are understood. Several values go to
    consecutive addresses. Plain numbers are written one assignment after the
    other; with names or types among them, neighbours go into one request.
    """
    if map is not None or verify or not _are_plain([text.partition("=")[0].strip() for text in assignments]):
        from . import named

        named.write(url, assignments, line, map, verify=verify)
        return
    from . import write as command

    command.write(url, assignments, line)


@app.command(usage="Usage: fastmodbus poll URL|PLANT [WHAT...] [OPTIONS]")
def poll(
    where: Annotated[str, Parameter(name="URL|PLANT", help="A device, or the devices of a plant (.toml).")],
    /,
    *what: Annotated[str, Parameter(name="WHAT", help="Values and names as for read. [default: the map's groups]")],
    line: Line = DEFAULTS,
    every: Annotated[Duration | None, Parameter(help="How often: 100ms, 1s; 0 is back to back.")] = None,
    duration: Annotated[Duration | None, Parameter(help="For how long. [default: until Ctrl-C]")] = None,
    map: Annotated[str | None, MAP] = None,
    format: Annotated[
        Literal["summary", "csv"], Parameter(help="How to print: csv is the rows as they come.")
    ] = "summary",
) -> None:
    """Poll devices at steady rates; print how it goes, and a summary or the rows.

    Each instant has a row, whatever happens; values that could not be read are
    empty.
    """
    from . import poll as command

    command.poll(where, what, line, every, duration, map, format)


@app.command(usage="Usage: fastmodbus plan URL|MAP [WHAT...] [OPTIONS]")
def plan(
    where: Annotated[str, Parameter(name="URL|MAP", help="A map (.toml), or a device for the options in its URL.")],
    /,
    *what: Annotated[str, Parameter(name="WHAT", help="As for read. [default: the whole map]")],
    line: Line = DEFAULTS,
    map: Annotated[str | None, MAP] = None,
) -> None:
    """Print the requests that read would make. Nothing is sent."""
    from . import named

    named.plan(where, what, line, map)


@app.command(usage="Usage: fastmodbus decode WORD... [OPTIONS]")
def decode(
    *words: Annotated[str, Parameter(name="WORD", help="Registers as they were read: 17254 or 0x4366.")],
    expect: Annotated[
        float | None, Parameter(help="What the value should be, such as the device's display says.")
    ] = None,
) -> None:
    """Print what registers can mean, or which type, byte order and scale come near an expected value."""
    from . import decode as command

    command.decode(words, expect)


@app.command(usage="Usage: fastmodbus simulate [OPTIONS]")
def simulate(
    *,
    host: Annotated[str, Parameter(help="Address to listen on; nobody is asked for a password.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="0 takes a free one.")] = 1502,
    units: Annotated[str, Parameter(help="Unit identifiers: 1,2 or 1-10.")] = "1",
    fill: Annotated[Literal["pattern", "zero"], Parameter(help="What the tables hold at first.")] = "zero",
    answer_delay: Annotated[Duration, Parameter(help="From request to answer; requests wait side by side.")] = "0s",
    service_time: Annotated[Duration, Parameter(help="For each request, one after the other.")] = "0s",
    max_in_flight: Annotated[int | None, Parameter(help="Beyond it the device says that it is busy.")] = None,
    one_answer_per_receive: Annotated[
        bool,
        Parameter(negative=(), show_default=False, help="Answer only the first of the requests that arrive together."),
    ] = False,
    illegal: Annotated[str, Parameter(help="Ranges of the first unit that do not exist: hr100-110,co5.")] = "",
) -> None:
    """Be a Modbus/TCP device with 65,536 addresses in each table, until Ctrl-C or SIGTERM."""
    from . import simulate as command

    command.simulate(
        host=host,
        port=port,
        units=units,
        fill=fill,
        answer_delay=answer_delay,
        service_time=service_time,
        max_in_flight=max_in_flight,
        one_answer_per_receive=one_answer_per_receive,
        illegal=illegal,
    )


@app.command(usage="Usage: fastmodbus record URL|PLANT [WHAT...] --out FOLDER [OPTIONS]")
def record(
    where: Annotated[str, Parameter(name="URL|PLANT", help="A device, or the description of a plant (.toml).")],
    /,
    *what: Annotated[str, Parameter(name="WHAT", help="Values: hr0:f32@CDAB; names: voltage_*. [default: the map]")],
    out: Annotated[str, Parameter(help="A folder; it is made if it is not there, and may be read meanwhile.")],
    line: Line = DEFAULTS,
    map: Annotated[str | None, MAP] = None,
    every: Annotated[Duration | None, Parameter(help="The period: 100ms, 2s. [default: the map's]")] = None,
    flush: Annotated[Duration, Parameter(help="What is lost at most when the process is killed.")] = "1s",
    sync: Annotated[Duration, Parameter(help="What is lost at most when the power fails.")] = "10s",
    rotate: Annotated[Duration, Parameter(help="When rows go into a Parquet file; also at 128 MB.")] = "1h",
    duration: Annotated[Duration | None, Parameter(help="When it ends. [default: at SIGTERM or Ctrl-C]")] = None,
    compression: Annotated[Literal["zstd", "snappy", "gzip", "lz4", "none"], Parameter(help="Of Parquet.")] = "zstd",
    metrics: Annotated[int | None, Parameter(help="A port on loopback for Prometheus.")] = None,
) -> None:
    """Record a device or a plant: Parquet files, by device, group and day.

    What was written survives a kill and a power loss; a full disk pauses it.
    Its log is _recorder.log in the folder.
    """
    from . import record as command

    settings = {"flush": flush, "sync": sync, "rotate": rotate, "duration": duration, "compression": compression,
                "metrics": metrics}  # fmt: skip
    command.record(where, what, line, map, every, out, settings)


def _are_plain(texts: Sequence[str]) -> bool:
    """Whether there are ranges only, so that nothing is known of names and types."""
    from .ranges import is_plain

    return all(is_plain(text) for text in texts)


def run(arguments: Sequence[str]) -> int:
    """Run a command; its exit code, after one line on stderr if it failed."""
    try:
        app(list(arguments))
    except CycloptsError as error:
        return complain(f"{error} (see fastmodbus --help)", USAGE)
    except UsageError as error:
        return complain(error, USAGE)
    except (ModbusError, Disagreement) as error:
        return complain(error, FAILED)
    except BrokenPipeError:
        raise
    except OSError as error:
        return complain(error.strerror or error, FAILED)
    return OK
