"""Stored verifications: the reports that acceptance has issued."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from store.database import Connection, translated_errors
from store.telemetry.window import Window


@dataclass(frozen=True, slots=True)
class StoredResult:
    """The result of one criterion in a stored verification; k of n are None where a person has to inspect."""

    criterion: str
    verdict: str
    passed: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class StoredVerification:
    """An issued verification. `sha256` is the hash of the canonical text of `report`."""

    id: UUID
    community: str
    window: Window
    generated_at: datetime
    criteria_version: str
    outcome: str
    sha256: str
    report: dict[str, Any]
    results: tuple[StoredResult, ...]


def save_verification(connection: Connection, verification: StoredVerification) -> None:
    """Store a verification; storing the same one again changes nothing.

    Raises:
        UnusableDataError: it breaks a constraint, such as a community that is not registered.
    """
    with translated_errors(), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO verification (id, community, window_start, window_end, generated_at, criteria_version,
                                      outcome, sha256, report)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING
            """,
            (
                verification.id, verification.community, verification.window.start, verification.window.end,
                verification.generated_at, verification.criteria_version, verification.outcome, verification.sha256,
                Jsonb(verification.report),
            ),
        )  # fmt: skip
        cursor.executemany(
            """
            INSERT INTO verification_result (verification_id, criterion, verdict, passed, total)
            VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
            """,
            [(verification.id, each.criterion, each.verdict, each.passed, each.total) for each in verification.results],
        )
