"""A command starts with no more than it needs."""

import subprocess
import sys

import pytest

from cli import environment

HEAVY = {"apprise", "fastapi", "paho", "procrastinate", "psycopg", "pydantic", "structlog"}
START = """
import sys
from app.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [("--help",), ("rules", "--help"), ("rules", "check")], ids=" ".join)
def test_help_and_a_check_of_rules_import_neither_clients_nor_servers(arguments, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", START, *arguments],
        cwd=tmp_path, env=environment({}), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert HEAVY & set(done.stderr.split()) == set()
