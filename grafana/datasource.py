"""Data source of all panels: Anju's database, with a fixed uid, through a read-only role."""

from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from grafana.sdk import DataSourceRef

UID = "anju"
_TYPE = "grafana-postgresql-datasource"
REFERENCE = DataSourceRef(type_val=_TYPE, uid=UID)

_SSL_MODES = ("disable", "require", "verify-ca", "verify-full")


class GrafanaError(Exception):
    """Root of the errors around Grafana; the message names the remedy."""


@dataclass(frozen=True)
class Datasource:
    """Address of the database as seen from Grafana, which may stand in another network than Anju.

    `sslmode` is one of disable, require, verify-ca, verify-full. The repr hides the password.
    """

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    sslmode: str = "disable"

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Parse a database URL, such as `postgresql://anju_grafana:secret@database:5432/anju?sslmode=require`.

        Raises:
            GrafanaError: The URL is invalid. The message does not quote it, for it holds a password.
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
        """Return the data source in the format of Grafana's API and provisioning files."""
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
