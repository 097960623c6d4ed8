"""Questions of the broker and signed answers, with broken questions and certificates."""

import base64
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nkeys
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from door.callout import CalloutError, Signer, read_question
from door.decision import Admission, Login, Refusal
from local.certificates import Authority

NOW = datetime.now(UTC)
SEED = nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_ACCOUNT).decode()
BODY = {
    "server_id": {"name": "anju", "id": "NSERVER", "version": "2.15.1"},
    "user_nkey": "UUSER",
    "client_info": {"host": "192.0.2.7", "id": 29, "user": "u", "kind": "Client", "type": "mqtt", "mqtt_id": "c"},
    "connect_opts": {"auth_token": "p", "user": "u", "pass": "p", "protocol": 0},
    "type": "authorization_request",
    "version": 2,
}


def question(**body: object) -> bytes:
    claims = {
        "aud": "nats-authorization-request",
        "iat": 1796092766,
        "exp": 1796092786,
        "iss": "NSERVER",
        "nats": {**BODY, **body},
    }
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b"{}", json.dumps(claims).encode(), b"s"))


def claims(token: str | bytes) -> dict:
    """Return the claims of an answer, whose signature is checked with the key that it names."""
    text, _, signature = (token.encode() if isinstance(token, str) else token).rpartition(b".")
    assert nkeys.from_seed(bytearray(SEED.encode())).verify(text, base64.urlsafe_b64decode(signature + b"=="))
    return json.loads(base64.urlsafe_b64decode(text.split(b".")[1] + b"=="))


def certificate(*names: str, uris: Sequence[str] = ()) -> str:
    key, now = Ed25519PrivateKey.generate(), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    built = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    if uris:
        alternatives = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])
        built = built.add_extension(alternatives, critical=False)
    return built.sign(key, None).public_bytes(Encoding.PEM).decode()


def test_a_question_holds_the_login_and_what_the_answer_has_to_repeat():
    asked = read_question(question())
    assert asked.login == Login("u", "p", "c", "", "192.0.2.7")
    assert (asked.server, asked.user_key, asked.limit_s) == ("NSERVER", "UUSER", 20)


def test_a_login_without_name_and_secret_is_a_question_too():
    assert read_question(question(connect_opts={"protocol": 0})).login.username == ""


def test_the_name_in_a_verified_certificate_is_that_of_its_leaf():
    chain = [certificate("east/water_meter/w1"), certificate("authority")]
    assert read_question(question(client_tls={"verified_chains": [chain]})).login.certificate == "east/water_meter/w1"


def test_a_certificate_that_the_broker_has_not_verified_counts_for_nothing():
    assert read_question(question(client_tls={"certs": [certificate("east/water_meter/w1")]})).login.certificate == ""


def test_a_certificate_of_the_private_authority_names_the_secret_that_it_was_issued_for(tmp_path: Path):
    long = f"{'a' * 64}/water_meter/{'b' * 64}"  # no common name, which has 64 characters at most
    for username in ("east/water_meter/w1", long):
        pem = Authority(tmp_path, NOW).issue_device(username, "01234567", NOW).certificate.decode()
        login = read_question(question(client_tls={"verified_chains": [[pem]]})).login
        assert (login.certificate, login.issued_for) == (username, "01234567")
        [name] = x509.load_pem_x509_certificate(pem.encode()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert len(name.value) <= 64


def test_alternative_names_of_other_kinds_count_for_nothing():
    pem = certificate("east/water_meter/w1", uris=["urn:uuid:1", "https://example.cn/"])
    assert read_question(question(client_tls={"verified_chains": [[pem]]})).login.certificate == "east/water_meter/w1"


@pytest.mark.parametrize(
    "pem",
    ["", "no certificate", certificate(), certificate("one", "two"), certificate("a", uris=["anju:a#1", "anju:b#2"])],
)
def test_a_certificate_without_one_name_is_an_unusable_question(pem: str):
    with pytest.raises(CalloutError, match="client certificate"):
        read_question(question(client_tls={"verified_chains": [[pem]]}))


@given(st.binary() | st.binary().map(lambda body: b"e30." + base64.urlsafe_b64encode(body) + b".s"))
def test_any_other_bytes_are_an_unusable_question(data: bytes):
    with pytest.raises(CalloutError):
        read_question(data)


def test_an_acceptance_lets_the_client_publish_its_subjects_and_subscribe_to_nothing():
    signer = Signer(SEED)
    answer = claims(signer.accept(read_question(question()), Admission("name#1", ("anju.v1.e.w.d.>",))))
    assert (answer["iss"], answer["sub"], answer["aud"]) == (signer.issuer, "UUSER", "NSERVER")
    assert abs(answer["iat"] - time.time()) < 60
    user = claims(answer["nats"]["jwt"])
    assert (user["iss"], user["sub"], user["aud"], user["name"]) == (signer.issuer, "UUSER", "$G", "name#1")
    assert user["nats"]["pub"] == {"allow": ["anju.v1.e.w.d.>"], "deny": []}
    assert user["nats"]["sub"] == {"allow": [], "deny": [">"]}
    assert user["nats"]["allowed_connection_types"] == ["MQTT"]


def test_a_refusal_carries_its_reason_and_no_user():
    content = claims(Signer(SEED).refuse(read_question(question()), Refusal.WRONG_SECRET))["nats"]
    assert content["error"] == "the secret is wrong, or was replaced by a newer one"
    assert "jwt" not in content


@pytest.mark.parametrize(
    "seed",
    ["", "SAAA", "x" * 58, SEED.lower(), "é", nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_USER).decode()],
)
def test_a_key_that_is_no_account_key_is_an_error_without_the_key(seed: str):
    with pytest.raises(ValueError, match="must be the seed of an account key") as error:
        Signer(seed)
    assert not seed or seed not in str(error.value)
