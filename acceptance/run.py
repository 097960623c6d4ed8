"""Verification of a community: reads the evidence, judges it, and saves the result."""

from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from acceptance.document import digest, document
from acceptance.result import Report
from acceptance.verify import questions, verify
from store.database import Connection
from store.telemetry.evidence import read_evidence
from store.telemetry.verifications import StoredResult, StoredVerification, save_verification
from store.telemetry.window import Window


def run_verification(
    connection: Connection,
    community: str,
    start: datetime,
    end: datetime,
    *,
    include_simulated: bool,
    generated_at: datetime,
) -> Report:
    """Verify a community over `start` (included) to `end`, and save the result in the caller's transaction.

    This must be the first work of the transaction, because all evidence is read in one snapshot.

    Raises:
        WindowError: A time without offset, or an end not after the start.
        UnknownCommunityError: There is no such community.
        DatabaseUnavailableError: The database is unavailable.
    """
    evidence = read_evidence(connection, community, Window(start, end), questions())
    report = verify(evidence, include_simulated=include_simulated, generated_at=generated_at)
    save_verification(connection, stored_form(report))
    return report


def stored_form(report: Report) -> StoredVerification:
    """Return the stored form of a report. Its id is derived, so saving a report twice makes one row."""
    content = document(report)
    sha256 = digest(content)
    return StoredVerification(
        uuid5(NAMESPACE_URL, f"anju:verification:{sha256}:{report.generated_at.astimezone(UTC).isoformat()}"),
        report.community.id,
        report.window,
        report.generated_at,
        report.criteria_version,
        report.outcome,
        sha256,
        content,
        tuple(
            StoredResult(
                result.criterion.id,
                result.verdict,
                result.figure.passed if result.figure else None,
                result.figure.total if result.figure else None,
            )
            for result in sorted(report.results, key=lambda result: result.criterion.id)
        ),
    )
