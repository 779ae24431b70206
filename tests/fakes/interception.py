"""TensorFlow on a fake gs://: it knows no other server than Google's, so a proxy answers in Google's name.

The proxy ends the encryption for *.googleapis.com with a certificate of its own authority and passes what is said on to
the fake. TensorFlow reads `environment()` when it first meets a gs:// path: set it for a process of its own.
"""

import contextlib
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_NAMES = ('*.googleapis.com', 'googleapis.com', 'storage.googleapis.com', 'www.googleapis.com')


class Interception:
    """The proxy on loopback; ends with the block."""

    def __init__(self, port: int, folder: Path) -> None:
        self._to = ('127.0.0.1', port)
        self._authority = folder / 'authority.pem'
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(_certificates(folder, self._authority))
        self._listener = socket.create_server(('127.0.0.1', 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def environment(self) -> dict[str, str]:
        """What a process needs to come here."""
        proxy = f'http://127.0.0.1:{self._listener.getsockname()[1]}'
        return {
            **{name: proxy for name in ('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY')},
            'no_proxy': '127.0.0.1,localhost',
            'CURL_CA_BUNDLE': str(self._authority),
            'GOOGLE_AUTH_TOKEN_FOR_TESTING': 'fake',
            'NO_GCE_CHECK': 'true',
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A shutdown wakes the thread that accepts; closing alone doesn't.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            head = b''
            while b'\r\n\r\n' not in head:
                if not (more := plain.recv(4096)):
                    return
                head += more
            plain.sendall(b'HTTP/1.1 200 Connection established\r\n\r\n')
            with (
                self._context.wrap_socket(plain, server_side=True) as client,
                socket.create_connection(self._to) as fake,
            ):
                back = threading.Thread(target=_pass_on, args=(fake, client), daemon=True)
                back.start()
                _pass_on(client, fake)
                back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _certificates(folder: Path, authority: Path) -> Path:
    """A certificate for Google's names with its key, signed by an authority written beside it."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'authority for tests')])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    root_certificate = (
        _builder(root, root, root_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(root_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAMES[0])])
    certificate = (
        _builder(subject, root, key)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in _NAMES]), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    authority.write_bytes(root_certificate.public_bytes(pem))
    chain = folder / 'certificate.pem'
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain.write_bytes(certificate.public_bytes(pem) + secret)
    return chain


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
    )
