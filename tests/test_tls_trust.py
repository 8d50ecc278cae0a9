"""Modbus over TLS: who is trusted, which ciphers are enough and which are not, and what failures say."""

import ssl
from contextlib import suppress
from typing import Any

import pytest

import fastmodbus as fm
from fastmodbus.options import Options
from fastmodbus.tls import context_of
from loops import ALL_CARRIERS
from pki import pki
from scripted import ClientGone, Connection, Script, ScriptedServer
from secured import VERSIONS, connect, device

CLIENTS = ALL_CARRIERS


def refused(simulator: fm.Simulator, match: str, **options: Any) -> None:
    with pytest.raises(fm.ConnectionFailed, match=match) as caught:
        connect(simulator.url, retries=0, **options)
    assert caught.value.port == simulator.port
    with (
        fm.Client("127.0.0.1", simulator.port, **{**pki().wanted, "retries": 0, **options}) as plc,
        pytest.raises(fm.ConnectionFailed, match=match),
    ):
        plc.read_holding_registers(0)
    assert simulator.requests == 0


@VERSIONS
def test_another_authority(version: str) -> None:
    with device(ssl_context=pki().server(version=version)) as simulator:
        refused(simulator, "certificate is not accepted: .*(issuer|self-signed)", ca=pki().pem("other"))


def test_the_authorities_of_the_system_are_others() -> None:
    with device() as simulator:
        refused(simulator, "certificate is not accepted", ca=None)


def test_expired() -> None:
    with device(ssl_context=pki().server("expired")) as simulator:
        refused(simulator, "certificate is not accepted: certificate has expired")


def test_a_certificate_for_another_name() -> None:
    with device() as simulator:
        refused(simulator, "certificate is not accepted: .*pump.example", server_name="pump.example")
        with connect(simulator.url, server_name="localhost") as plc:
            assert plc.read("hr7") == 7


@VERSIONS
def test_without_a_certificate_of_the_client(version: str) -> None:
    """With TLS 1.3 the device says so only after the handshake; what was sent meanwhile may turn it into a reset."""
    with (
        device(ssl_context=pki().server(version=version)) as simulator,
        pytest.raises(fm.ConnectionFailed, match=f"certificate of this client{'|reset' * (version == 'TLSv1_3')}"),
        fm.connect(simulator.url, ca=pki().pem("plant"), retries=0) as plc,
    ):
        plc.read_holding_registers(0)


def test_a_client_certificate_of_another_authority() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pki().pem("other"))
    context.load_cert_chain(pki().pem("device"), pki().key("device"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        device(ssl_context=context) as simulator,
        pytest.raises(fm.ConnectionFailed, match=r"trust the certificate of this client"),
        connect(simulator.url, retries=0) as plc,
    ):
        plc.read_holding_registers(0)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_device_without_tls_1_2() -> None:
    context = pki().server(version="TLSv1_1")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with device(ssl_context=context) as simulator:
        refused(simulator, "version 1.2 or newer")


def deaf_to_tls(says: bytes) -> Script:
    def script(connection: Connection) -> None:
        connection.send(says)
        with suppress(ConnectionError):
            while connection.socket.recv(65536):
                pass
        raise ClientGone

    return script


@pytest.mark.parametrize(
    ("certificate", "cipher"),
    [("rsa", "ECDHE-RSA-AES128-GCM-SHA256"), ("device", "ECDHE-ECDSA-AES128-GCM-SHA256")],
)
def test_the_least_that_every_device_has_is_enough(certificate: str, cipher: str) -> None:
    """A device with an RSA key, or one on P-256, that has the one cipher which it must have (R-14, R-61, R-62)."""
    context = pki().server(certificate, version="TLSv1_2")
    context.set_ciphers(cipher)
    with device(ssl_context=context) as simulator, connect(simulator.url) as plc:
        assert plc.read("hr7") == 7


@pytest.mark.blocking
def test_every_cipher_encrypts_keeps_secrets_and_knows_the_device() -> None:
    """Also where a distribution's Python would offer more."""
    found = context_of(Options()).get_ciphers()
    assert {cipher["name"] for cipher in found} >= {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"}
    for cipher in found:
        assert cipher["strength_bits"] >= 128, cipher
        assert cipher["kea"] in ("kx-any", "kx-ecdhe", "kx-dhe"), cipher
        assert cipher["auth"] in ("auth-any", "auth-rsa", "auth-ecdsa"), cipher
        assert cipher["digest"] not in ("md5", "sha1"), cipher


@pytest.mark.parametrize("cipher", ["NULL-SHA256", "AES128-SHA256", "ECDHE-RSA-AES128-SHA", "aNULL"])
def test_no_encryption_no_forward_secrecy_no_identity_and_weak_hashes_are_refused(cipher: str) -> None:
    context = pki().server("rsa", version="TLSv1_2")
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with device(ssl_context=context) as simulator, pytest.raises(fm.ConnectionFailed, match="no common TLS parameters"):
        connect(simulator.url)


@VERSIONS
def test_the_whole_chain_is_shown(version: str) -> None:
    """The device knows the root alone (R-46)."""
    with device(ssl_context=pki().server(version=version)) as simulator:
        with connect(simulator.url, cert=pki().pem("chain"), key=pki().key("deep")) as plc:
            assert plc.read("hr7") == 7
        with (
            pytest.raises(fm.ConnectionFailed),
            connect(simulator.url, cert=pki().pem("deep"), key=pki().key("deep"), retries=0) as plc,
        ):
            plc.read("hr7")


def test_a_device_without_tls() -> None:
    with fm.Simulator() as simulator, pytest.raises(fm.ConnectionFailed):
        connect(f"tls://127.0.0.1:{simulator.port}", connect_timeout=1)
    with (
        ScriptedServer(deaf_to_tls(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server,
        pytest.raises(fm.ConnectionFailed, match="does not speak TLS"),
    ):
        connect(f"tls://127.0.0.1:{server.port}")


def test_a_handshake_that_does_not_end() -> None:
    with (
        ScriptedServer(deaf_to_tls(b"")) as server,
        pytest.raises(fm.ConnectionFailed, match="nobody answered in time"),
    ):
        connect(f"tls://127.0.0.1:{server.port}", connect_timeout=0.3)


def test_an_exception_01_may_be_a_matter_of_the_role() -> None:
    with device() as simulator, connect(simulator.url) as plc:
        simulator.fault(lambda adu: adu[:4] + b"\0\3" + adu[6:7] + bytes([adu[7] | 0x80, 1]))
        with pytest.raises(fm.IllegalFunction, match="the role in the client's certificate does not allow it"):
            plc.write_register(0, 1)
