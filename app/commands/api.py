"""`anju api`: the HTTP API and the console."""

import logging

from api.serve import serve
from app.logging import configure_logging
from app.rule_files import rules_folder
from app.settings import Settings
from rules.language.reload import RuleFolder


def api() -> None:
    """Serve the HTTP API until SIGTERM.

    Needs ANJU_DATABASE_URL and ANJU_API_KEY. Example: ANJU_HTTP_PORT=8000 anju api
    """
    configure_logging(library_level=logging.INFO)
    settings = Settings.load()
    rules = RuleFolder(rules_folder(settings.rules_dir))
    serve(settings.need("database_url"), settings.http_host, settings.http_port, settings.need("api_key"), rules)
