import json
import pwd
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.mosquitto import open_mosquitto
from local.binaries import PostgresPrograms
from local.brokers.broker import TOPICS, Account, Accounts, Broker, DoorKeys, Place
from local.brokers.nats import Node, configuration, door_line, door_url, user_line
from local.errors import LocalError
from local.ports import Ports
from local.postgres import Postgres
from local.supervisor import LONGEST_DELAY_S, restart_delay_s
from local.users import SERVICES, User, as_seen_from_inside, service_user
from store.admin.roles import Role

NOBODY = User("nobody", 65534, 65534)
ACCOUNTS = Accounts(
    ingest=Account("ingest", "i", read=TOPICS),
    publisher=Account("publisher", "p", write=TOPICS),
    reader=Account("reader", "r", read=TOPICS),
)
KEYS = DoorKeys("d", "SAseed", "AISSUER")
NODE = Node("broker", "anju", Path("/d/broker"), 1883, 8222, 4222)


def nats(user: User | None = None, *, partitions: int = 1, replicas: int = 1) -> str:
    place = Place(Path("/d/broker"), Ports(Path("/d")), user, partitions, print)
    return configuration(replace(NODE, replicas=replicas), ACCOUNTS, KEYS, place)


def test_an_account_without_subjects_may_do_nothing():
    permissions = json.loads(user_line(Account("idle", "x")))["permissions"]
    assert permissions == {"publish": {"deny": ">"}, "subscribe": {"deny": ">"}}


def test_only_the_door_may_use_the_brokers_own_protocol_and_it_may_do_no_more_than_it_needs():
    assert json.loads(user_line(Account("any", "x")))["allowed_connection_types"] == ["MQTT"]
    door = json.loads(door_line(KEYS))
    assert door["allowed_connection_types"] == ["STANDARD"]
    assert not [subject for allowed in door["permissions"].values() for subject in allowed["allow"] if subject == ">"]


def test_the_broker_asks_the_door_for_every_login_but_those_of_its_own_accounts():
    assert "issuer: AISSUER, account: SYS" in nats()
    assert 'auth_users: ["door", "ingest", "publisher", "reader"]' in nats()
    assert "SAseed" not in nats()


def test_the_url_of_the_door_names_every_node():
    assert door_url(KEYS, [NODE, replace(NODE, door_port=4223)]) == "nats://door:d@127.0.0.1:4222,127.0.0.1:4223"


def test_the_broker_listens_on_this_machine_only():
    listeners = [part for part in nats().split('"') if part.count(":") == 1 and part[-1].isdigit()]
    assert {part.split(":")[0] for part in listeners} == {"127.0.0.1"}
    assert len(listeners) == 3


def test_the_store_is_encrypted_with_a_key_that_stands_elsewhere():
    shipped = (Path(__file__).parents[2] / "deploy" / "nats" / "nats.conf").read_text(encoding="utf-8")
    for text in (nats(), shipped):
        assert re.search(r"jetstream \{[^}]*\bcipher: chacha\b[^}]*\bkey: \$STORE_KEY\b", text)


def test_urls_carry_account_and_port():
    broker = Broker("NATS Server", ACCOUNTS, (1883,), ())
    assert broker.ingest_url == "mqtt://ingest:i@127.0.0.1:1883"
    assert broker.publish_url == "mqtt://publisher:p@127.0.0.1:1883"
    assert broker.read_url == "mqtt://reader:r@127.0.0.1:1883"
    postgres = Postgres(PostgresPrograms(Path("/b"), 17), Path("/d/postgres"), 15432, None, "s", {Role.OWNER: "o"})
    assert postgres.url(Role.OWNER) == "postgresql://anju_owner:o@127.0.0.1:15432/anju"
    assert postgres.superuser_url == "postgresql://postgres:s@127.0.0.1:15432/anju"
    assert "'s'" not in repr(postgres)
    assert "'o'" not in repr(postgres)


def test_the_url_of_several_nodes_names_them_all():
    broker = Broker("three", ACCOUNTS, (1883, 1884, 1885), ())
    assert broker.read_url == "mqtt://reader:r@127.0.0.1:1883,127.0.0.1:1884,127.0.0.1:1885"


def test_one_partition_needs_no_mapping_and_several_map_by_community():
    assert "mappings {  }" in nats()
    assert '"anju.p.{{partition(4,1)}}.{{wildcard(1)}}.>"' in nats(partitions=4)


def test_a_store_may_take_a_minute_where_no_other_node_could_have_died_with_it():
    assert 'js_api_timeout: "60s"' in nats()
    assert 'js_api_timeout: "5s"' in nats(replicas=3)


def test_a_broker_that_cannot_map_refuses_partitions():
    with pytest.raises(LocalError, match="Mosquitto cannot map communities to 4 partitions: set ANJU_PARTITIONS=1"):
        open_mosquitto(Place(Path("/d/broker"), Ports(Path("/d")), None, 4, print))


def test_a_service_of_an_unprivileged_user_reaches_its_data_without_walking_there():
    assert as_seen_from_inside(Path("/root/d"), NOBODY) == Path("/proc/self/cwd")
    assert '"/proc/self/cwd/jetstream"' in nats(NOBODY)


@given(deaths=st.integers(1, 10_000))
def test_a_part_that_keeps_dying_is_restarted_with_growing_but_bounded_delays(deaths: int):
    assert 0 < restart_delay_s(deaths) <= restart_delay_s(deaths + 1) <= LONGEST_DELAY_S < 5


def test_a_missing_user_is_an_error_that_names_the_setting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(LocalError, match=r"no user 'no-such-user'.*Set ANJU_LOCAL_USER"):
        service_user("postgres", {"ANJU_LOCAL_USER": "no-such-user"})


def test_root_is_not_an_unprivileged_user(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(LocalError, match="is root"):
        service_user("postgres", {"ANJU_LOCAL_USER": "root"})


def test_a_process_without_roots_rights_keeps_its_user(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert service_user("postgres", {"ANJU_LOCAL_USER": "no-such-user"}) is None


def test_each_service_has_a_user_of_its_own_and_none_is_root(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    users = [service_user(name, {}) for name in SERVICES]
    assert len({user.uid for user in users if user} - {0}) == len(SERVICES)


def test_an_account_of_the_machine_with_the_name_of_the_service_is_its_user(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    account = pwd.struct_passwd(("anju-api", "x", 998, 997, "", "/", "/usr/sbin/nologin"))
    monkeypatch.setattr("pwd.getpwnam", {"anju-api": account}.__getitem__)
    assert service_user("api", {}) == User("anju-api", 998, 997)
    assert service_user("worker", {}) != User("anju-api", 998, 997)


def test_one_account_for_all_services_is_the_choice_of_the_operator(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert {service_user(name, {"ANJU_LOCAL_USER": "nobody"}) for name in SERVICES} == {
        User("nobody", pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
    }
