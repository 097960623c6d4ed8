"""The auth callout of NATS Server: its questions, and signed answers.

A question is a JWT of the broker, and the answer another one, signed by the key of the door. An acceptance carries a
third one, the user, with its permissions. All are of the algorithm `ed25519-nkey` of NATS
(<https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_callout>).
"""

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import nkeys  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.x509.oid import NameOID

from devices.certificate import CERTIFICATE_URI
from door.decision import Admission, Login, Refusal

SUBJECT = "$SYS.REQ.USER.AUTH"
"""Subject of the questions, in the account of the door."""

ACCOUNT = "$G"
"""Account of NATS in which devices and ingest meet."""

_HEADER = b'{"typ":"JWT","alg":"ed25519-nkey"}'
_UNLIMITED = {"subs": -1, "data": -1, "payload": -1}


class CalloutError(Exception):
    """The question is not one of the auth callout, or is not usable."""


class _Server(msgspec.Struct):
    id: str


class _Client(msgspec.Struct):
    host: str = ""
    mqtt_id: str = ""


class _Options(msgspec.Struct):
    user: str = ""
    password: str = msgspec.field(name="pass", default="")


class _Tls(msgspec.Struct):
    verified_chains: list[list[str]] = []


class _Body(msgspec.Struct):
    server_id: _Server
    user_nkey: str
    client_info: _Client
    connect_opts: _Options
    client_tls: _Tls | None = None


class _Claims(msgspec.Struct):
    iat: int
    exp: int
    nats: _Body


_decoder = msgspec.json.Decoder(_Claims)


@dataclass(frozen=True, slots=True)
class Question:
    """Question of a broker: the login, and what the answer has to repeat.

    The broker waits for an answer for `limit_s` seconds, which needs no clock that agrees with its own.
    """

    login: Login
    server: str
    user_key: str
    limit_s: int


def read_question(data: bytes) -> Question:
    """Decode a question.

    Its signature is not checked: only the broker may publish to its subject, and it sends its own key along.

    Raises:
        CalloutError: it is none, or its certificate can't be read.
    """
    try:
        _, claims, _ = data.split(b".")
        content = _decoder.decode(base64.urlsafe_b64decode(claims + b"=="))
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise CalloutError(f"a question of the broker can't be read: {error}") from error
    body = content.nats
    certificate, issued_for = _certified(body.client_tls)
    login = Login(
        username=body.connect_opts.user,
        secret=body.connect_opts.password,
        client_id=body.client_info.mqtt_id,
        certificate=certificate,
        address=body.client_info.host,
        issued_for=issued_for,
    )
    return Question(login, body.server_id.id, body.user_nkey, content.exp - content.iat)


class Signer:
    """Answers to questions, signed with the key of the door."""

    def __init__(self, seed: str) -> None:
        """Read the key.

        Raises:
            ValueError: it is not the seed of an account key (`SA...`).
        """
        try:
            self._key = nkeys.from_seed(bytearray(seed.encode("ascii")))
            self.issuer = str(self._key.public_key.decode())
        except (nkeys.NkeysError, ValueError):
            self.issuer = ""
        if not self.issuer.startswith("A"):
            raise ValueError("the key of the door must be the seed of an account key of NATS, which begins with SA")

    def accept(self, question: Question, admission: Admission) -> bytes:
        """Return the answer that lets the client in, with its permissions."""
        user = {
            "aud": ACCOUNT,
            "name": admission.name,
            "nats": {
                "pub": {"allow": admission.publish, "deny": admission.deny},
                "sub": {"allow": admission.subscribe, "deny": admission.unreadable if admission.subscribe else [">"]},
                **_UNLIMITED,
                "allowed_connection_types": ["MQTT" if admission.by_mqtt else "STANDARD"],
                "type": "user",
                "version": 2,
            },
        }
        return self._answer(question, {"jwt": self._signed(question, user).decode()})

    def refuse(self, question: Question, refusal: Refusal) -> bytes:
        """Return the answer that refuses the client; the broker writes the reason into its log."""
        return self._answer(question, {"error": str(refusal)})

    def _answer(self, question: Question, content: dict[str, str]) -> bytes:
        answer = {"aud": question.server, "nats": {**content, "type": "authorization_response", "version": 2}}
        return self._signed(question, answer)

    def _signed(self, question: Question, claims: Mapping[str, object]) -> bytes:
        complete = {"iss": self.issuer, "sub": question.user_key, "iat": int(time.time()), **claims}
        text = b".".join((_encoded(_HEADER), _encoded(msgspec.json.encode(complete))))
        return text + b"." + _encoded(self._key.sign(text))


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _certified(tls: _Tls | None) -> tuple[str, str]:
    """Return the username in a verified client certificate, and the fingerprint of the secret that it was issued for.

    Both are empty without a certificate. One of another authority has the username as its common name, without a
    fingerprint.

    Raises:
        CalloutError: the certificate has no such name, or several.
    """
    if tls is None or not tls.verified_chains or not tls.verified_chains[0]:
        return "", ""
    try:
        certificate = x509.load_pem_x509_certificate(tls.verified_chains[0][0].encode())
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        uris = _uris(certificate)
    except (ValueError, x509.InvalidVersion, x509.DuplicateExtension) as error:
        raise CalloutError(f"a client certificate can't be read: {error}") from error
    own = [uri.removeprefix(CERTIFICATE_URI) for uri in uris if uri.startswith(CERTIFICATE_URI)]
    if len(own) == 1:
        username, _, issued_for = own[0].partition("#")
        return username, issued_for
    if own or len(names) != 1:
        raise CalloutError("a client certificate must have one common name, the username of its device")
    return str(names[0].value), ""


def _uris(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)
