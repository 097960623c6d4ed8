"""The data source that every panel reads: Anju's database, by a fixed uid, through a role that may only read."""

from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from grafana.sdk import DataSourceRef

UID = "anju"
_TYPE = "grafana-postgresql-datasource"
REFERENCE = DataSourceRef(type_val=_TYPE, uid=UID)

_SSL_MODES = ("disable", "require", "verify-ca", "verify-full")


class GrafanaError(Exception):
    """The root of what can go wrong on the way to Grafana; the message says what to do."""


@dataclass(frozen=True)
class Datasource:
    """Where Grafana finds the database: as seen from Grafana, which may be another network than Anju's own.

    `sslmode` is one of disable, require, verify-ca, verify-full. The password never shows in a repr.
    """

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    sslmode: str = "disable"

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Take a database URL apart, such as `postgresql://anju_grafana:secret@database:5432/anju?sslmode=require`.

        Raises:
            GrafanaError: it is no such URL. The message does not quote it: it holds a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or 5432
        except ValueError:
            parts, port = urlsplit(""), 0
        sslmode = parse_qs(parts.query).get("sslmode", ["disable"])[-1]
        if sslmode == "prefer":
            sslmode = "disable"
        if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname or not parts.username:
            raise GrafanaError("the database URL for Grafana must read postgresql://user:password@host:port/database")
        if sslmode not in _SSL_MODES:
            raise GrafanaError(f"Grafana knows the sslmode {', '.join(_SSL_MODES)}; the database URL has another one")
        return cls(
            host=parts.hostname,
            port=port,
            database=unquote(parts.path.lstrip("/")) or unquote(parts.username),
            user=unquote(parts.username),
            password=unquote(parts.password or ""),
            sslmode=sslmode,
        )

    def definition(self) -> dict[str, Any]:
        """The data source as Grafana's API and its provisioning files describe it."""
        return {
            "uid": UID,
            "name": "安居",
            "type": _TYPE,
            "access": "proxy",
            "url": f"{self.host}:{self.port}",
            "user": self.user,
            "jsonData": {
                "database": self.database,
                "sslmode": self.sslmode,
                "timescaledb": True,
                "postgresVersion": 1700,
                "maxOpenConns": 10,
            },
            "secureJsonData": {"password": self.password},
        }
