"""Coverage-guided fuzzing of the decoder: `make fuzz`.

An input is a topic, a line feed, and a payload: so is a file in `cases/`, where a finding is put and where every run of
the tests finds it again. Needs atheris, which `make fuzz` installs; it exists for Linux on amd64 only.
"""

import argparse
import contextlib
import random
import re
import sys
import tempfile
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "helpers")]
with atheris.instrument_imports(include=["devices"]):
    import decoder_laws
    from devices.catalogue import KINDS
    from devices.topic import Channel

CASES = Path(__file__).with_name("cases")
MAX_BYTES = 4096
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\[\]{},:"\s]+')
SENDERS = (decoder_laws.GATEWAY, *decoder_laws.ALONE, *decoder_laws.CHILDREN)
TOPICS = [decoder_laws.topic_of(device, channel).encode() for device in SENDERS for channel in Channel]


def one(data):
    """Check the laws on one input; libFuzzer stores an input that breaks one or takes over five seconds."""
    topic, _, payload = data.partition(b"\n")
    decoder_laws.check(topic.decode("utf-8", "replace"), payload)


def seeds():
    """Yield a message of each kind on each channel, alone and behind the gateway."""
    ts = decoder_laws.NOW_MS
    for kind, alone in zip(KINDS, decoder_laws.ALONE, strict=True):
        values = ",".join(f'"{field.name}":{_valid(field)}' for field in kind.fields)
        telemetry = f'"ts":{ts},"values":{{{values}}},"seq":1'
        yield decoder_laws.topic_of(alone, Channel.TELEMETRY), f"{{{telemetry}}}"
        address = f'"kind":"{kind.name}","device":"c-{kind.name}"'
        yield decoder_laws.topic_of(decoder_laws.GATEWAY, Channel.TELEMETRY), f"[{{{address},{telemetry}}},null]"
        yield decoder_laws.topic_of(alone, Channel.STATUS), f'{{"state":"online","ts":{ts}}}'
        for event in kind.events:
            data = ",".join(f'"{field.name}":{_valid(field)}' for field in event.data)
            item = f'"event":"{event.name}","ts":"2026-11-22T12:00:00.5+08:00","id":"a","data":{{{data}}}'
            yield decoder_laws.topic_of(alone, Channel.EVENT), f"[{{{item}}}]"
            yield decoder_laws.topic_of(decoder_laws.GATEWAY, Channel.EVENT), f"{{{address},{item}}}"


def _valid(field):
    if hasattr(field, "possible"):
        return field.possible.high
    if hasattr(field, "choices"):
        return f'"{next(iter(field.choices))}"'
    return '"蒙KA1234"' if hasattr(field, "identity") or hasattr(field, "max_length") else "true"


def words():
    """Return the tokens of the fuzzer: all names, and the corner cases of JSON."""
    names = {"ts", "values", "seq", "event", "id", "data", "state", "kind", "device", "online", "offline"}
    for kind in KINDS:
        names |= {kind.name, *(field.name for field in kind.fields), *(event.name for event in kind.events)}
        names |= {part.name for event in kind.events for part in event.data}
    corners = ["NaN", "-Infinity", "1e400", "-0.0", "9" * 60, r"\ud800", r"\u0000", "\ufeff", "null", "[[[[", "},{"]
    numbers = [
        "0",
        "1",
        "0.5",
        "-1",
        "true",
        "false",
        "{}",
        "[]",
        '""',
        str(decoder_laws.NOW_MS),
        '"2026-11-22T12:00:00Z"',
    ]
    names |= {device.name for device in (decoder_laws.GATEWAY, *decoder_laws.CHILDREN)}
    return [*(f'"{name}"' for name in sorted(names)), *corners, *numbers]


WORDS = words()


def mutate(data, max_size, seed):
    """Mostly replace a token, so that the payload stays JSON; else change the topic or the bytes."""
    seeded_random = random.Random(seed)
    topic, _, payload = data.partition(b"\n")
    match seeded_random.randrange(10):
        case 0:
            topic = seeded_random.choice(TOPICS)
        case 1:
            topic = atheris.Mutate(topic, 100)
        case 2 | 3:
            payload = atheris.Mutate(payload, max_size - len(topic) - 1)
        case _:
            payload = another_word(payload, seeded_random)
    return (topic + b"\n" + payload)[:max_size]


def another_word(payload, seeded_random):
    """Replace a token, or a whole object or array, or duplicate the object or array."""
    tokens = TOKEN.findall(payload.decode("utf-8", "replace")) or ["{}"]
    at = seeded_random.choice([n for n, token in enumerate(tokens) if token not in ("]", "}", ",", ":")] or [0])
    end, depth = at + 1, int(tokens[at] in ("[", "{"))
    while depth > 0 and end < len(tokens):
        depth += (tokens[end] in ("[", "{")) - (tokens[end] in ("]", "}"))
        end += 1
    here = tokens[at:end]
    tokens[at:end] = (
        [*here, ",", *here] if len(here) > 1 and seeded_random.random() < 0.5 else [seeded_random.choice(WORDS)]
    )
    return "".join(tokens).encode()


def main():
    """Fuzz in a folder of its own; a finding is written to `cases/` and ends the run with an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="a folder that keeps what was learned from run to run")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        corpus = arguments.corpus or work / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for number, (topic, payload) in enumerate(seeds()):
            (corpus / f"seed-{number}").write_text(f"{topic}\n{payload}", encoding="utf-8")
        dictionary = work / "words"
        dictionary.write_text(
            "".join('"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"\n' for word in WORDS),
            encoding="utf-8",
        )
        options = [
            f"-max_total_time={arguments.seconds}",
            f"-max_len={MAX_BYTES}",
            f"-dict={dictionary}",
            f"-artifact_prefix={CASES}/",
            "-timeout=5",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus), str(CASES)], one, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
