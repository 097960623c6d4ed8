"""Write the matrix of roles into its page, from the rights in force: `python -m tools.roles`."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from fastapi.routing import APIRoute

from accounts.principal import ROLE_ZH, Role
from accounts.rights import PAGES, RIGHTS
from api.app import ApiSettings, create_app
from api.auth import make_seal
from app.rule_files import rules_folder
from console.app import PARTS
from rules.language.reload import RuleFolder
from store.database import Database

PAGE = Path(__file__).parents[1] / "docs" / "roles.md"
_BEGIN, _END = "<!-- rights: make roles -->\n", "<!-- end of rights -->\n"


def main() -> int:
    """Write the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text(before + _BEGIN + matrix() + _END + after, encoding="utf-8")
    return 0


def matrix() -> str:
    """Return the tables of routes and pages by role, as they are in force."""
    return "\n".join(
        (
            "\n## Routes 接口\n",
            *_table(_routes(), RIGHTS),
            "\n## Pages 页面\n",
            *_table(_pages(), PAGES),
            "",
        )
    )


def _table(routes: Mapping[str, str], rights: Mapping[str, frozenset[Role]]) -> Iterator[str]:
    """Yield the lines of a table; `routes` has the name of each route by method and path."""
    yield "| | " + " | ".join(f"{role}<br>{ROLE_ZH[role]}" for role in Role) + " |"
    yield "|---|" + "---|" * len(Role)
    for route, name in sorted(routes.items(), key=lambda route: route[0].split(" ")[::-1]):
        cells = " | ".join("●" if role in rights[name] else "" for role in Role)
        yield f"| `{route}` | {cells} |"


def _routes() -> dict[str, str]:
    database = Database("postgresql://nobody@127.0.0.1:1/none", application_name="anju roles")
    database.close()
    rules = RuleFolder(rules_folder(None))
    settings = ApiSettings(api_key="no key", seal=make_seal(b"no key"), version="0", rules=rules)
    return {
        f"{method.upper()} {path.removeprefix('/api/v1')}": operation["operationId"]
        for path, operations in create_app(database, settings).openapi()["paths"].items()
        for method, operation in operations.items()
        if operation["operationId"] in RIGHTS
    }


def _pages() -> dict[str, str]:
    routes = [route for part in PARTS for route in part.router.routes if isinstance(route, APIRoute)]
    return {f"{method} {route.path}": route.name for route in routes for method in route.methods or ()}


if __name__ == "__main__":
    sys.exit(main())
