"""The database words a place as Python does, for the dashboards."""

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from devices.place import compose_place
from laws import examples
from store.database import connect

words = st.lists(st.sampled_from(["", "3", "12", "B", "号楼", "栋", "2单元", "501", "室", "東", "ё", " "])).map("".join)


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(words, words, words, words), min_size=1, max_size=20))
def test_the_function_of_the_database_composes_the_same_place(database_url, places):
    with connect(database_url, application_name="test") as connection:
        for building, unit, room, rest in places:
            heads = ("", compose_place(building), compose_place(unit=unit), compose_place(room=room), f"{unit}单元")
            for location in (head + rest for head in heads):
                place = (building, unit, room, location)
                row = connection.execute("SELECT compose_place(%s, %s, %s, %s)", place).fetchone()
                assert row == (compose_place(*place),)
