"""A small public key infrastructure for tests of TLS, made with the openssl command when it is first asked for.

A plant's authority signs the device's certificate (for localhost and 127.0.0.1), an expired one and one with an RSA key
of the same device, that of a client, and an authority below it, which signs another client's; one more authority has
nothing to do with it.
"""

import shutil
import ssl
import subprocess
import tempfile
import threading
from functools import cache
from pathlib import Path

import pytest

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("-newkey", "rsa:2048")
DEVICE = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"
CLIENT = "extendedKeyUsage=clientAuth\n"
LEAF = (
    "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nauthorityKeyIdentifier=keyid\n"
    "subjectKeyIdentifier=hash\n"
)
BELOW = (
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nauthorityKeyIdentifier=keyid\n"
    "subjectKeyIdentifier=hash\n"
)
AUTHORITY = (
    "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
)  # fmt: skip


class Pki:
    """NAME.pem and NAME.key of ``plant``, ``other`` and ``below`` (authorities), ``device``, ``expired``, ``rsa``,
    ``client`` and ``deep``, which ``below`` signed; ``chain.pem`` has the certificates from ``deep`` up to the root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("plant", "other"):
            self._run("req", "-x509", *KEY, "-nodes", "-days", "30", "-subj", f"/CN={name} authority", *AUTHORITY,
                      "-keyout", self.key(name), "-out", self.pem(name))  # fmt: skip
        self._sign("device", LEAF + DEVICE)
        self._sign("expired", LEAF + DEVICE, days=-1)
        self._sign("rsa", LEAF + DEVICE, key=RSA)
        self._sign("client", LEAF + CLIENT)
        self._sign("below", BELOW)
        self._sign("deep", LEAF + CLIENT, by="below")
        chain = "".join(Path(self.pem(name)).read_text() for name in ("deep", "below", "plant"))
        Path(self.pem("chain")).write_text(chain)
        self._run("ec", "-in", self.key("client"), "-aes256", "-passout", "pass:secret", "-out", self.key("encrypted"))

    def pem(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")

    def key(self, name: str) -> str:
        return str(self.folder / f"{name}.key")

    def _sign(
        self, name: str, extensions: str, *, days: int = 30, by: str = "plant", key: tuple[str, ...] = KEY
    ) -> None:
        request, text = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        text.write_text(extensions)
        self._run("req", *key, "-nodes", "-subj", f"/CN={name}", "-keyout", self.key(name), "-out", str(request))
        self._run("x509", "-req", "-in", str(request), "-CA", self.pem(by), "-CAkey", self.key(by),
                  "-CAcreateserial", "-days", str(days), "-extfile", str(text), "-out", self.pem(name))  # fmt: skip

    @staticmethod
    def _run(*command: str) -> None:
        subprocess.run(["openssl", *command], check=True, capture_output=True, timeout=60)

    def server(self, name: str = "device", *, clients: bool = True, version: str = "") -> ssl.SSLContext:
        """The device's side; `clients`: it asks for their certificates and needs them."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.pem("plant"))
        context.load_cert_chain(self.pem(name), self.key(name))
        context.verify_mode = ssl.CERT_REQUIRED if clients else ssl.CERT_NONE
        if version:
            context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
        return context

    @property
    def wanted(self) -> dict[str, str]:
        """The options of a client of the plant."""
        return {"ca": self.pem("plant"), "cert": self.pem("client"), "key": self.key("client")}


_MAKING = threading.Lock()


def pki() -> Pki:
    """The same for all threads, whichever asks first."""
    with _MAKING:
        return _made()


@cache
def _made() -> Pki:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing")
    return Pki(Path(tempfile.mkdtemp(prefix="fastmodbus-pki-")))
