"""`anju migrate`."""

from app.progress import progress
from app.settings import Settings
from store.admin.migrate import migrate as migrate_database


def migrate() -> None:
    """Bring the database to this version. Run it before the other parts start; twice changes nothing.

    Example: ANJU_DATABASE_URL=postgresql://anju:secret@db/anju anju migrate
    """
    with progress("bringing the database to this version"):
        migrate_database(Settings.load().need("database_url"))
