"""The installation's own certificate authority, and the broker's certificate under it.

PCs trust this authority and nothing else, so a broker that somebody else puts in the way has no
certificate they would take. Keys are P-256: every TLS library a broker comes with knows it.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_CERT: Final = "ca.crt"
CA_KEY: Final = "ca.key"
SERVER_CERT: Final = "server.crt"
SERVER_KEY: Final = "server.key"
CA_DAYS: Final = 3_650
SERVER_DAYS: Final = 397
_CLOCK_SLACK: Final = timedelta(days=1)
"""PCs whose clock lags a little take a fresh certificate all the same."""


class CertificateError(Exception):
    """A certificate cannot be made; the message says which file or name is in the way."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, PEM."""

    cert_pem: bytes
    key_pem: bytes


def make_authority(name: str, now_ms: int) -> Issued:
    """A new authority, for ten years."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(now_ms, CA_DAYS).subject_name(subject).issuer_name(subject)
    builder = builder.public_key(key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(key_id, critical=False)
    return _issued(builder.sign(key, hashes.SHA256()), key)


def make_server_certificate(authority: Issued, names: Sequence[str], now_ms: int) -> Issued:
    """A certificate of a broker that PCs reach under these host names and addresses.

    Raises CertificateError for an empty list and for an authority that cannot be read.
    """
    if not names:
        raise CertificateError("a certificate needs at least one host name or address")
    try:
        ca_cert = x509.load_pem_x509_certificate(authority.cert_pem)
        ca_key = serialization.load_pem_private_key(authority.key_pem, password=None)
    except ValueError as error:
        raise CertificateError(f"the authority's files cannot be read: {error}") from error
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise CertificateError("the authority's key is of another kind")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(now_ms, SERVER_DAYS).issuer_name(ca_cert.subject)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    builder = builder.subject_name(subject).public_key(key.public_key())
    for extension, critical in _server_extensions(names, ca_cert):
        builder = builder.add_extension(extension, critical=critical)
    return _issued(builder.sign(ca_key, hashes.SHA256()), key)


def expires_at_ms(cert_pem: bytes) -> int:
    """Until when a certificate is good. Raises CertificateError."""
    try:
        until = x509.load_pem_x509_certificate(cert_pem).not_valid_after_utc
    except ValueError as error:
        raise CertificateError(f"not a certificate: {error}") from error
    return int(until.timestamp() * 1_000)


def write_issued(issued: Issued, cert: Path, key: Path, *, replace: bool = False) -> None:
    """Write both files; the key is for its owner alone. Raises CertificateError if one exists."""
    for path in (cert, key):
        if path.exists() and not replace:
            raise CertificateError(f"{path} exists; nothing was written")
    cert.parent.mkdir(parents=True, exist_ok=True)
    write_private(key, issued.key_pem)
    fresh = cert.with_name(f"{cert.name}.new")
    fresh.write_bytes(issued.cert_pem)
    fresh.replace(cert)


def write_private(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file that never is readable to others, not even for a moment."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_issued(cert: Path, key: Path) -> Issued:
    """Read both files. Raises CertificateError for one that is missing."""
    try:
        return Issued(cert.read_bytes(), key.read_bytes())
    except OSError as error:
        raise CertificateError(f"{error.filename}: {error.strerror}") from error


def _builder(now_ms: int, days: int) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(now_ms / 1_000, UTC)
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + timedelta(days=days))
    )


def _server_extensions(
    names: Sequence[str], ca_cert: x509.Certificate
) -> list[tuple[x509.ExtensionType, bool]]:
    ca_key_id = ca_cert.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_key_id), False),
    ]


def _general_name(name: str) -> x509.GeneralName:
    address = _address(name)
    if address is not None:
        return x509.IPAddress(address)
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise CertificateError(f"{name!r} is neither a host name nor an address") from error


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _issued(cert: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Issued(cert.public_bytes(serialization.Encoding.PEM), key_pem)
