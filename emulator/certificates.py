"""The certificates of `make run MTLS=1`: a CA, the server's and a client's, new at each start.

Apart from mtls.py, since importing x509 takes a while and only MTLS=1 needs it.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = timedelta(days=90)
CLOCK_SKEW = timedelta(hours=1)

_SERVER_NAMES = (
    x509.DNSName("localhost"),
    x509.IPAddress(ip_address("127.0.0.1")),
    x509.IPAddress(ip_address("::1")),
)


@dataclass(frozen=True)
class Fingerprints:
    """sha1: in hex, how nginx names a certificate; sha256: in base64, how the load balancer does."""

    sha1: str
    sha256: str


def make(folder: Path, spiffe_id: str, dns_name: str) -> Fingerprints:
    """Writes ca, server and client, each as .pem and .key, for their owner alone.

    spiffe_id, dns_name: the client's names. Returns its certificate's fingerprints.
    """
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _self_signed(ca_key)
    _write(folder, "ca", ca, ca_key)
    client_names = (x509.UniformResourceIdentifier(spiffe_id), x509.DNSName(dns_name))
    for name, names, usage in (
        ("server", _SERVER_NAMES, ExtendedKeyUsageOID.SERVER_AUTH),
        ("client", client_names, ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        issued = _issued(name, key, names, usage, ca, ca_key)
        _write(folder, name, issued, key)
    return Fingerprints(
        sha1=issued.fingerprint(hashes.SHA1()).hex(),
        sha256=base64.b64encode(issued.fingerprint(hashes.SHA256())).decode(),
    )


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _builder("CA", "CA", key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def _issued(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    names: Sequence[x509.GeneralName],
    usage: x509.ObjectIdentifier,
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    )
    return (
        _builder(name, "CA", key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(authority, critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_called(subject))
        .issuer_name(_called(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + VALID)
    )


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Hark make run {name}")])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    for file, content in (
        (folder / f"{name}.pem", certificate.public_bytes(Encoding.PEM)),
        (folder / f"{name}.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),
    ):
        file.touch(mode=0o600, exist_ok=False)
        file.write_bytes(content)
