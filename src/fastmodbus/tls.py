"""TLS for the links of both kinds of clients: the context, the handshake, failures in words.

What MODBUS/TCP Security asks of a client (R-numbers): TLS 1.2 or newer, the device's certificate verified, its own
certificate with the whole chain shown when asked. Nothing here knows what a connection carries.
"""

from __future__ import annotations

import socket
import ssl

from .options import Options

#: For TLS 1.2; 1.3 has no others. Encrypted, forward secret, with a certificate, no HMAC of MD5 or SHA-1 (R-50, R-51).
#: Python's own selection is as strict, but that of a distribution's Python need not be.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:!aNULL:!PSK:!aDSS:!SHA1:!AESCCM"

#: What the alerts and errors of OpenSSL mean to a user, by a part of their reason.
_REASONS = {
    "CERTIFICATE_REQUIRED": "it wants a certificate of this client (give cert and key)",
    "HANDSHAKE_FAILURE": "no common TLS parameters, or it wants a certificate of this client (cert and key)",
    "UNKNOWN_CA": "it does not trust the certificate of this client",
    "BAD_CERTIFICATE": "it does not accept the certificate of this client",
    "CERTIFICATE_UNKNOWN": "it does not accept the certificate of this client",
    "CERTIFICATE_EXPIRED": "the certificate of this client has expired",
    "PROTOCOL_VERSION": "it has no TLS of version 1.2 or newer",
    "UNSUPPORTED_PROTOCOL": "it has no TLS of version 1.2 or newer",
    "WRONG_VERSION_NUMBER": "it does not speak TLS (is the port right? 802 is usual)",
    "RENEGOTIATION": "it wants to renegotiate, which is refused",
}


def context_of(options: Options) -> ssl.SSLContext:
    """The context that the options ask for; certificates and names are verified unless `ssl_context` says otherwise.

    Raises
    ------
    ValueError
        A file cannot be used.
    """
    if options.ssl_context is not None:
        context: ssl.SSLContext = options.ssl_context
        return context
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=options.ca)
    except OSError as error:
        raise ValueError(f"ca is {options.ca!r}: {_reason(error)}; certificates in PEM form are needed") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(_CIPHERS)
    if options.cert is not None:
        _load_chain(context, options.cert, options.key)
    return context


def _load_chain(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    """The chain up to the root, if the file has it (R-46), and its key, which may be in the same file."""

    def encrypted() -> str:
        raise ValueError(f"key is {key or cert!r}: it is encrypted; load it into an ssl_context")

    try:
        context.load_cert_chain(cert, key, password=encrypted)
    except OSError as error:
        raise ValueError(f"cert is {cert!r}, key {key or cert!r}: {_reason(error)}") from None


def name_of(options: Options, host: str) -> str:
    """The name that the device's certificate must have."""
    return options.server_name or host


def secured(connection: socket.socket, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    """A connected socket with TLS over it, which takes it over. Its handshake is still to be made."""
    try:
        return context.wrap_socket(connection, server_hostname=name, do_handshake_on_connect=False)
    except BaseException:
        connection.close()
        raise


def in_words(error: OSError) -> str:
    """What went wrong, for a connection over TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the device's certificate is not accepted: {error.verify_message}; ca and server_name say what is"
    if isinstance(error, ssl.SSLEOFError):
        return "the device closed the connection in the middle of TLS"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {_reason(error)}"
    return _reason(error)


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", None)
    if not reason:
        return error.strerror or str(error)
    for part, words in _REASONS.items():
        if part in reason:
            return f"{words} ({reason.lower().replace('_', ' ')})"
    return str(reason).lower().replace("_", " ")
