"""The key pair with which the lab signs as SendGrid does; the gateway verifies with the public half."""

import base64
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def make(path: Path) -> str:
    """Writes a new private key into the file (PEM), for its owner alone.

    Returns the public key as SendGrid shows it: base64 of its DER.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
