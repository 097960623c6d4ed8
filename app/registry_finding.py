"""The registry as a finding of `anju doctor`: households that spreadsheets damaged before imports refused them."""

from app.finding import Finding
from imports.registered import damaged_households
from store.database import Connection
from store.registry.registry import load_communities, load_households

_NAMED = 3


def registry_finding(connection: Connection) -> Finding:
    """Return how many registered households are damaged, or a second spelling of another one, and the first of them."""
    households = load_households(connection, load_communities(connection))
    damaged = damaged_households(households)
    figures = {"households": len(households), "damaged": len(damaged)}
    if not damaged:
        return Finding("registry", True, f"{len(households):,} households", figures)
    named = "; ".join(" / ".join(key) for key in damaged[:_NAMED])
    detail = f"{len(damaged)} of {len(households):,} households are damaged or spelt twice: {named}"
    return Finding("registry", True, f"{detail}; see Withdrawing in docs/import.md", figures, note=True)
