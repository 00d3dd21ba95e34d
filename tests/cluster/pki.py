"""Certificates and kubeconfigs: one throw-away authority signs every client and server of a cluster."""

import base64
import datetime
import hashlib
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = datetime.timedelta(days=365)
SKEW = datetime.timedelta(hours=1)
USAGE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])


class Pair(NamedTuple):
    """A certificate and its key, both PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder; what it issued once is used again while the request is the same."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = Pair(folder / "ca.crt", folder / "ca.key")
        if not self.ca.certificate.exists():
            folder.mkdir(parents=True, exist_ok=True)
            self._create()

    def issue(self, name: str, *, groups: Sequence[str] = (), addresses: Sequence[str] = ()) -> Pair:
        """A pair for this common name, good as client and as server on the given addresses."""
        request = hashlib.sha256(repr((name, groups, addresses)).encode()).hexdigest()[:8]
        stem = f"{name.replace(':', '-').replace('/', '-')}-{request}"
        pair = Pair(self.folder / f"{stem}.crt", self.folder / f"{stem}.key")
        if not pair.certificate.exists():
            key = _new_key(pair.key)
            authority = x509.load_pem_x509_certificate(self.ca.certificate.read_bytes())
            builder = _builder(_subject(name, groups), authority.subject, key).add_extension(USAGE, critical=False)
            if addresses:
                builder = builder.add_extension(x509.SubjectAlternativeName(_names(addresses)), critical=False)
            self._sign(builder, pair.certificate)
        return pair

    def kubeconfig(self, path: Path, *, server: str, user: str, groups: Sequence[str] = ()) -> Path:
        """A self-contained kubeconfig file for a user known by client certificate."""
        pair = self.issue(user, groups=groups)
        cluster = {"server": server, "certificate-authority-data": _b64(self.ca.certificate)}
        client = {"client-certificate-data": _b64(pair.certificate), "client-key-data": _b64(pair.key)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "quill", "cluster": cluster}],
            "users": [{"name": user, "user": client}],
            "contexts": [{"name": "quill", "context": {"cluster": "quill", "user": user}}],
            "current-context": "quill",
        }
        new = path.with_name(f"{path.name}.{os.getpid()}")  # others may be reading the old one
        new.touch(mode=0o600)
        new.write_text(yaml.safe_dump(config))
        return new.replace(path)

    def _create(self) -> None:
        key = _new_key(self.ca.key)
        subject = _subject("quill-test-cluster", ())
        builder = _builder(subject, subject, key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self._sign(builder, self.ca.certificate)

    def _sign(self, builder: x509.CertificateBuilder, path: Path) -> None:
        key = serialization.load_pem_private_key(self.ca.key.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def _new_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return key


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + VALID)
    )


def _subject(name: str, groups: Sequence[str]) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _names(addresses: Sequence[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for address in addresses:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(address)))
        except ValueError:
            names.append(x509.DNSName(address))
    return names


def _b64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
