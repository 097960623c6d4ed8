"""`anju migrate`."""

from app.output import say
from app.progress import progress
from app.settings import Settings
from store.admin.migrate import migrate as migrate_database


def migrate() -> None:
    """Bring the database to this version. Run it before the other parts start; twice changes nothing.

    ANJU_DATABASE_URL names the owner, `anju_owner`, whom `anju roles` makes; an owner of another name will do.

    Example: ANJU_DATABASE_URL=postgresql://anju_owner:secret@db/anju anju migrate
    """
    with progress("bringing the database to this version"):
        advice = migrate_database(Settings.load().need("database_url"))
    if advice:
        say(f"note: {advice}")
