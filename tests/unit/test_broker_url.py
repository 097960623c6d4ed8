from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.broker_url import Address, BrokerUrl, BrokerUrlError, tls_files

addresses = st.builds(
    Address, st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z]{2,3})?", fullmatch=True), st.integers(1, 65535)
)
texts = st.text(st.characters(codec="utf-8"), min_size=1)


@given(nodes=st.lists(addresses, min_size=1, max_size=5), tls=st.booleans(), username=texts, password=texts)
def test_every_node_and_the_account_are_read_back(nodes: list[Address], tls: bool, username: str, password: str):
    account = f"{quote(username, safe='')}:{quote(password, safe='')}"
    url = f"mqtt{'s' * tls}://{account}@{','.join(map(str, nodes))}"
    parsed = BrokerUrl.parse(url)
    assert parsed == BrokerUrl(tuple(nodes), tls, username, password)
    assert (parsed.host, parsed.port) == nodes[0]


def test_the_default_port_is_the_one_of_the_scheme():
    assert BrokerUrl.parse("mqtt://u:s@a,b:1").addresses == (("a", 1883), ("b", 1))
    assert BrokerUrl.parse("mqtts://u:s@a").addresses == (("a", 8883),)


def test_a_node_may_be_an_ipv6_address():
    assert BrokerUrl.parse("mqtt://u:s@[::1]:1884,[::2]").addresses == (("::1", 1884), ("::2", 1883))


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "http://u:s3cret@a",
            "mqtt://a:1883",
            "mqtt://u@a",
            "mqtt://u:@a",
            "mqtt://:s3cret@a",
            "mqtt://u:s3cret@",
        ),
        *("mqtt://u:s3cret@a:99999", "mqtt://u:s3cret@a:port", "mqtt://u:s3cret@a,", "mqtt://u:s3cret@a,,b"),
        *("mqtt://u:s3cret@a?ca=/ca.pem", "mqtts://u:s3cret@a?ca=", "mqtts://u:s3cret@a?", "mqtts://u:s3cret@a?ca"),
        *("mqtts://u:s3cret@a?ca=/a&ca=/b", "mqtts://u:s3cret@a?certificate=/a", "mqtts://u:s3cret@a?ca=/a&x=1"),
        *("mqtt://u:s3cret@a/topic", "mqtt://u:s3cret@a?x=1", "mqtt://u:s3cret@[::1"),
    ],
)
def test_an_unusable_url_is_refused_without_showing_the_secret(url: str):
    with pytest.raises(BrokerUrlError) as caught:
        BrokerUrl.parse(url)
    assert "s3cret" not in str(caught.value)


paths = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map(Path)


@given(ca=paths, certificate=paths, key=paths)
def test_files_of_tls_are_read_back(ca: Path, certificate: Path, key: Path):
    end = tls_files(ca=ca, certificate=certificate, key=key)
    assert BrokerUrl.parse(f"mqtts://u:s@a:1,b{end}").files == {"ca": ca, "certificate": certificate, "key": key}
    assert BrokerUrl.parse(f"mqtts://u:s@a,b:1/{tls_files(ca=ca)}").addresses == (("a", 8883), ("b", 1))


def test_a_context_names_the_file_that_it_cannot_use(tmp_path: Path):
    (tmp_path / "ca.pem").write_text("nothing")
    for file in (tmp_path / "ca.pem", tmp_path / "none.pem"):
        with pytest.raises(OSError, match=file.name):
            BrokerUrl.parse(f"mqtts://u:s@a{tls_files(ca=file)}").tls_context()


def test_no_text_contains_the_secret():
    url = BrokerUrl.parse("mqtt://ingest:s3cret@a,b")
    assert str(url) == "ingest at a:1883, b:1883"
    assert "s3cret" not in repr(url)
