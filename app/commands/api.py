"""`anju api`: the HTTP API and the console."""

import logging
from functools import partial

from api.limits import HttpLimits
from api.serve import serve
from app.console_pages import console_pages
from app.demo_accounts import demo_accounts
from app.logging import configure_logging
from app.rule_files import rules_folder
from app.settings import Settings, split_list
from rules.language.reload import RuleFolder


def api() -> None:
    """Serve the HTTP API until SIGTERM.

    Needs ANJU_DATABASE_URL, ANJU_API_KEY and ANJU_SECRET_KEY. Example: ANJU_HTTP_PORT=8000 anju api
    """
    configure_logging(library_level=logging.INFO)
    settings = Settings.load()
    rules = RuleFolder(rules_folder(settings.rules_dir))
    limits = HttpLimits(
        hosts=(*split_list(settings.http_hosts or ""), settings.http_host),
        proxies=tuple(split_list(settings.http_proxies or "")),
        rate=settings.http_rate,
        connections=settings.http_connections,
        streams=settings.http_streams,
    )
    database_url, api_key = settings.need("database_url"), settings.need("api_key")
    secret_keys = (settings.need("secret_key").encode(), *settings.earlier_secret_keys)
    demo_password = settings.demo_password.get_secret_value() if settings.demo_password else None
    serve(
        database_url, settings.http_host, settings.http_port, api_key, rules, secret_keys=secret_keys, limits=limits,
        make_pages=partial(console_pages, demo_accounts=demo_accounts(demo_password)),
    )  # fmt: skip
