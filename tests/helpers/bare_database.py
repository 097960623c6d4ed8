"""A database server with nothing but its superuser, for the tests of the making of roles."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg

from local.errors import LocalError
from local.home import Home
from local.process import Process
from local.services import prepare_database
from patience import patient


@contextmanager
def bare_server(data_dir: Path) -> Iterator[str]:
    """Start a server in the data directory of an `anju up`, and yield the URL of its superuser and database `anju`.

    The roles and the extension are still to make; the server ends with the block.
    """
    with Home(data_dir / "data") as home:
        database = prepare_database(home, print)
        server_url = database.superuser_url.removesuffix("anju") + "postgres"

        def answers() -> None:
            try:
                psycopg.connect(server_url).close()
            except psycopg.OperationalError as error:
                raise LocalError(str(error)) from error

        process = Process(replace(database.part(), check_ready=answers), home)
        try:
            process.start(patient(60))
            with psycopg.connect(server_url, autocommit=True) as connection:
                connection.execute("CREATE DATABASE anju")
            yield database.superuser_url
        finally:
            process.stop()
