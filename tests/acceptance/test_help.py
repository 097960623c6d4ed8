"""Help texts of the commands."""

import pytest
import typer

from app.cli import app
from cli import invoke


def names(command, *path):
    """Return the commands, each with its groups."""
    if not hasattr(command, "commands"):
        return [path]
    return [name for child, below in command.commands.items() for name in names(below, *path, child)]


COMMANDS = names(typer.main.get_command(app))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_an_example(command, tmp_path):
    done = invoke(*command, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    example = " ".join(done.stdout.split()).partition("Example: ")[2]
    assert f"anju {' '.join(command)}" in example


def test_anju_alone_lists_its_commands_and_where_to_begin(tmp_path):
    done = invoke(cwd=tmp_path)
    assert "anju up --demo" in done.stdout
    assert all(f" {command[0]} " in done.stdout for command in COMMANDS)


def test_an_unknown_option_is_wrong_usage(tmp_path):
    done = invoke("verify", "yangguang", "--dyas", "7", cwd=tmp_path)
    assert done.returncode == 2
    assert "--dyas" in done.stderr
