"""Routes of communities."""

from typing import Annotated

from fastapi import APIRouter, Query

from api import messages_zh
from api.models import Community, CommunityDetail
from api.paging import Cursor, Page, PageQuery
from api.parameters import CommunityId, Store
from api.problems import UnknownProblem, problem_responses
from store.alerts import alerts
from store.registry import communities

router = APIRouter(prefix="/communities", tags=["communities 小区"])
_cursor = Cursor("communities", str)


class UnknownCommunityProblem(UnknownProblem):
    """No community has the id of the path."""

    def __init__(self) -> None:
        """Say where the communities are listed."""
        super().__init__(
            "There is no community of that id; GET /api/v1/communities lists them.", messages_zh.COMMUNITY_NOT_FOUND
        )


@router.get("", summary="List communities")
def list_communities(store: Store, query: Annotated[PageQuery, Query()]) -> Page[Community]:
    """Communities in the order of their ids."""
    after = _cursor.decode(query.cursor)
    with store.connection() as connection:
        rows = communities.list_communities(connection, after, query.limit + 1)
    return Page[Community].of(rows, query.limit, Community.model_validate, lambda row: _cursor.encode(row.id))


@router.get("/{community}", summary="Read a community", responses=problem_responses(UnknownCommunityProblem()))
def read_community(store: Store, community: CommunityId) -> CommunityDetail:
    """A community with its number of households, devices by kind and state, and open alerts by severity."""
    with store.connection() as connection:
        row = communities.find_community(connection, community)
        if row is None:
            raise UnknownCommunityProblem
        return CommunityDetail.of(
            row,
            communities.count_households(connection, community),
            communities.count_devices(connection, community),
            alerts.count_open(connection, community),
        )
