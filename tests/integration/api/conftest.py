"""The API and the console over a real database."""

from api_site import (
    api,
    api_database,
    community,
    community_in,
    make_community,
    server_class,
    start_api,
)

__all__ = ["api", "api_database", "community", "community_in", "make_community", "server_class", "start_api"]
