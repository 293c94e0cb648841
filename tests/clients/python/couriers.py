"""postgrest-py and supabase-py against a running server.

COURIERS_URL, COURIERS_USER1, COURIERS_USER2, COURIERS_SERVICE: the schema of the conformance corpus, at the root.
GYM_URL, GYM_KEY, GYM_MINA: examples/climbing, for the Supabase client.
"""

import asyncio
import datetime
import os
import sys

from postgrest import AsyncPostgrestClient, CountMethod, ReturnMethod, SyncPostgrestClient
from postgrest.exceptions import APIError
from supabase import create_client

from check import check, finish, refused

URL = os.environ["COURIERS_URL"]
USER1, USER2, SERVICE = (os.environ[f"COURIERS_{name}"] for name in ("USER1", "USER2", "SERVICE"))
ACORN = "00000001-0000-4000-8000-000000000001"

api = SyncPostgrestClient(URL)


def signed_in(token: str) -> SyncPostgrestClient:
    return SyncPostgrestClient(URL).auth(token)


def column(answer, name: str) -> list:
    return [row[name] for row in answer.data]


# Reading --------------------------------------------------------------------------------------------------------------


@check
def everything_of_a_table():
    zones = api.from_("zones").select("*").order("code").execute().data
    assert zones[0] == {"code": "C", "title": "Centre, old town", "priority": 9}
    assert len(zones) == 6


@check
def columns_as_arguments():
    assert api.table("zones").select("code", "title").eq("code", "N").execute().data == [{"code": "N", "title": "North"}]


@check
def comparisons():
    zones = lambda build: column(build(api.from_("zones").select("code")).order("code").execute(), "code")
    assert zones(lambda q: q.eq("priority", 3)) == ["E", "W"]
    assert zones(lambda q: q.neq("priority", 3)) == ["C", "N", "S", "X"]
    assert zones(lambda q: q.gt("priority", 3)) == ["C", "X"]
    assert zones(lambda q: q.gte("priority", 5).lte("priority", 9)) == ["C", "X"]
    assert zones(lambda q: q.lt("priority", 2)) == ["N"]


@check
def patterns():
    names = lambda build: column(build(api.from_("couriers").select("name")).order("id").execute(), "name")
    assert names(lambda q: q.like("name", "K%")) == ["Karel King"]
    assert names(lambda q: q.ilike("name", "k%")) == ["Karel King", "karel king"]
    assert names(lambda q: q.like_any_of("name", "Anna%,Jo")) == ["Anna Bakker", "Jo"]
    assert names(lambda q: q.ilike_all_of("name", "k%,%G")) == ["Karel King", "karel king"]
    assert names(lambda q: q.filter("name", "match", "^[GI]")) == ["Grete Müller", "Igor 100%_Sure"]


@check
def lists_with_commas_quotes_and_parentheses():
    names = ["Eva, van Dam", "Farid (Rid) Aziz", "林 美咲"]
    assert column(api.from_("couriers").select("name").in_("name", names).order("id").execute(), "name") == names


@check
def null_and_true():
    assert len(api.from_("customers").select("id").is_("vip", None).execute().data) == 2
    assert len(api.from_("customers").select("id").is_("vip", "true").execute().data) == 3
    assert len(api.from_("customers").select("id").not_.is_("vip", "null").execute().data) == 6


@check
def negations():
    assert column(api.from_("zones").select("code").not_.in_("code", ["N", "S", "E", "W"]).order("code").execute(), "code") == ["C", "X"]


@check
def logic():
    answer = api.from_("depots").select("id").or_("id.eq.1,and(id.gt.3,id.lt.6)").order("id").execute()
    assert column(answer, "id") == [1, 4, 5]


@check
def match_of_several_columns():
    assert column(api.from_("depots").select("code").match({"active": "true", "floors": 2}).order("code").execute(), "code") == ["AMS", "RTM"]


@check
def order_of_nulls():
    first = api.from_("depots").select("capacity").order("capacity", desc=True, nullsfirst=True).limit(1).execute()
    assert first.data == [{"capacity": None}]


@check
def two_orders():
    answer = api.from_("zones").select("code").order("priority", desc=True).order("code").execute()
    assert column(answer, "code") == ["C", "X", "E", "W", "S", "N"]


@check
def pages():
    assert column(api.from_("parcels").select("id").order("id").limit(2).offset(3).execute(), "id") == [4, 5]
    assert column(api.from_("parcels").select("id").order("id").range(10, 12).execute(), "id") == [11, 12, 13]


@check
def counts():
    answer = api.from_("parcels").select("id", count=CountMethod.exact).order("id").range(0, 4).execute()
    assert (len(answer.data), answer.count) == (5, 60)
    assert api.from_("parcels").select("*", count=CountMethod.exact, head=True).execute().count == 60
    assert isinstance(api.from_("zones").select("code", count=CountMethod.planned).execute().count, int)


@check
def exactly_one():
    assert api.from_("zones").select("title").eq("code", "N").single().execute().data == {"title": "North"}
    error = refused(api.from_("zones").select("*").single(), "PGRST116")
    assert "6 rows" in error.details
    refused(api.from_("zones").select("*").eq("code", "?").single(), "PGRST116")


@check
def maybe_one():
    assert api.from_("zones").select("title").eq("code", "N").maybe_single().execute().data == {"title": "North"}
    assert api.from_("zones").select("title").eq("code", "?").maybe_single().execute() is None


@check
def text_of_commas():
    assert api.from_("zones").select("code,title").eq("code", "C").csv().execute().data == 'code,title\nC,"Centre, old town"'


@check
def nulls_stripped():
    rows = api.from_("depots").select("code,city,capacity").eq("code", "OLD").strip_nulls().execute().data
    assert rows == [{"code": "OLD"}]


@check
def json_paths_and_casts():
    row = api.from_("couriers").select("rate::text", "cargo:skills->bike->cargo", "first:skills->languages->>0").eq("id", 3).single().execute().data
    assert row == {"rate": "19.99", "cargo": True, "first": "fr"}
    assert column(api.from_("couriers").select("id").eq("skills->>years", "9").execute(), "id") == [3]


@check
def integers_beyond_two_to_the_53():
    assert api.from_("vans").select("mileage").eq("plate", "KC-02-B").single().execute().data == {"mileage": 9007199254740993}
    assert api.from_("samples").select("b").eq("id", 2).single().execute().data["b"] == 9223372036854775807


@check
def aggregates():
    rows = api.from_("zones").select("priority", "count()").order("priority").execute().data
    assert rows[2] == {"priority": 3, "count": 2}


@check
def a_view():
    row = api.from_("depot_load").select("code,parcels,total_kg").eq("code", "HUB").single().execute().data
    assert row["parcels"] > 0


# Embedding ------------------------------------------------------------------------------------------------------------


@check
def to_one_and_to_many():
    assert api.from_("couriers").select("name,depots(code)").eq("id", 4).single().execute().data["depots"] == {"code": "RTM"}
    depot = api.from_("depots").select("code,couriers(name)").eq("id", 1).order("id", foreign_table="couriers").single().execute().data
    assert depot["couriers"] == [{"name": "Anna Bakker"}, {"name": "Jo"}]


@check
def many_to_many():
    courier = api.from_("couriers").select("zones(code)").eq("id", 3).order("code", foreign_table="zones").single().execute().data
    assert courier == {"zones": [{"code": "E"}, {"code": "S"}, {"code": "W"}]}


@check
def limit_inside():
    depots = api.from_("depots").select("code,couriers(name)").order("id").order("id", foreign_table="couriers").limit(1, foreign_table="couriers").execute().data
    assert max(len(depot["couriers"]) for depot in depots) == 1


@check
def inner_with_a_filter():
    depots = api.from_("depots").select("code,couriers!inner(name)").eq("couriers.name", "Jo").execute().data
    assert depots == [{"code": "HUB", "couriers": [{"name": "Jo"}]}]


@check
def or_inside():
    depots = api.from_("depots").select("code,couriers!inner(name)").or_("name.eq.Jo,name.like.Anna*", reference_table="couriers").execute().data
    assert [depot["code"] for depot in depots] == ["HUB"]


@check
def a_spread():
    assert api.from_("vans").select("plate,...couriers(name)").eq("plate", "KC-01-A").single().execute().data == {"plate": "KC-01-A", "name": "Anna Bakker"}


@check
def ambiguity():
    error = refused(api.from_("parcels").select("id,depots(code)").limit(1), "PGRST201")
    assert len(error.details) == 2
    row = api.from_("parcels").select("to:depots!parcels_to_depot_fkey(code)").eq("id", 1).single().execute().data
    assert row == {"to": {"code": "TYO"}}


# Writing --------------------------------------------------------------------------------------------------------------


@check
def insert_one_and_many():
    assert api.from_("zones").insert({"code": "A", "title": "a"}).execute().data == [{"code": "A", "title": "a", "priority": 5}]
    rows = [{"code": "B", "title": "b", "priority": 1}, {"code": "D", "title": "d", "priority": 2}]
    answer = api.from_("zones").insert(rows, count=CountMethod.exact).execute()
    assert (answer.data, answer.count) == (rows, 2)


@check
def insert_without_an_answer():
    assert api.from_("logbook").insert({"what": "py"}, returning=ReturnMethod.minimal).execute().data == []
    assert len(api.from_("logbook").delete().eq("what", "py").execute().data) == 1


@check
def insert_with_defaults():
    rows = [{"body": "py1"}, {"body": "py2", "status": "waiting"}]
    refused(api.from_("tickets").insert(rows), "23502")
    made = api.from_("tickets").insert(rows, default_to_null=False).execute().data
    assert [(row["status"], row["prio"]) for row in made] == [("open", 3), ("waiting", 3)]
    api.from_("tickets").delete().like("body", "py%").execute()


@check
def upsert():
    merged = api.from_("zones").upsert([{"code": "A", "title": "again"}, {"code": "F", "title": "f"}]).execute()
    assert sorted(column(merged, "title")) == ["again", "f"]
    ignored = api.from_("zones").upsert([{"code": "A", "title": "no"}], ignore_duplicates=True).execute()
    assert ignored.data == []
    other = api.from_("settings").upsert({"key": "theme", "label": "Theme", "revision": 9}, on_conflict="label").execute()
    assert other.data[0]["revision"] == 9


@check
def update():
    answer = api.from_("zones").update({"title": "new"}, count=CountMethod.exact).in_("code", ["A", "B"]).execute()
    assert (column(answer, "title"), answer.count) == (["new", "new"], 2)
    assert api.from_("zones").update({"title": "x"}).eq("code", "?").execute().data == []


@check
def no_more_than_allowed():
    refused(api.from_("zones").delete().in_("code", ["A", "B", "D"]).max_affected(2), "PGRST124")
    assert len(api.from_("zones").select("code").execute().data) == 10


@check
def delete():
    gone = api.from_("zones").delete().in_("code", ["A", "B", "D", "F"]).execute()
    assert sorted(column(gone, "code")) == ["A", "B", "D", "F"]
    assert api.from_("zones").delete(returning=ReturnMethod.minimal).eq("code", "A").execute().data == []


@check
def dates_and_uuids_of_python():
    made = api.from_("customers").insert({"name": "Py", "created_at": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc).isoformat()}).execute().data[0]
    assert datetime.datetime.fromisoformat(made["created_at"]).year == 2026
    assert len(api.from_("customers").delete().eq("id", made["id"]).execute().data) == 1


@check
def unicode_and_nested_json():
    value = {"ü": ["☕", {"n": None}], "quote": "\"\\"}
    assert api.from_("settings").update({"value": value}).eq("key", "empty").execute().data[0]["value"] == value
    api.from_("settings").update({"value": None}).eq("key", "empty").execute()


# Errors ---------------------------------------------------------------------------------------------------------------


@check
def constraints():
    refused(api.from_("zones").insert({"code": "N", "title": "again"}), "23505")
    refused(api.from_("zones").insert({"code": "Z"}), "23502")
    refused(api.from_("courier_zones").insert({"courier_id": 1, "zone_code": "?"}), "23503")
    refused(api.from_("depots").insert({"code": "NEG", "name": "x", "capacity": -1}), "23514")


@check
def unknown_things():
    assert "zones" in (refused(api.from_("zone").select("*"), "PGRST205").hint or "")
    refused(api.from_("zones").select("colour"), "42703")
    refused(api.from_("zones").select("customers(name)"), "PGRST200")
    refused(api.from_("zones").insert([{"code": "Q", "colour": "red"}]), "PGRST204")


@check
def functions_by_post_and_get():
    assert api.rpc("add_up", {"a": 1}).execute().data == 11
    assert api.rpc("add_up", {"a": "1", "b": "2"}, get=True).execute().data == 3
    refused(api.rpc("add_down", {"a": 1}), "PGRST202")


@check
def rows_of_functions():
    depots = api.rpc("depots_in", {"town": "Amsterdam"}).select("code").order("code").execute()
    assert depots.data == [{"code": "AMS"}, {"code": "FLY"}]
    assert api.rpc("all_parcels", {}, count=CountMethod.exact, head=True).execute().count == 60


@check
def functions_that_write():
    service = signed_in(os.environ["COURIERS_SERVICE"])
    ticket = service.rpc("book_ticket", {"words": "from Python"}).execute().data[0]
    assert ticket["body"] == "from Python"
    service.from_("tickets").delete().eq("id", ticket["id"]).execute()


@check
def functions_have_their_callers():
    refused(api.rpc("staff_only", {}), "42501")
    assert signed_in(os.environ["COURIERS_USER1"]).rpc("staff_only", {}).execute().data == "staff"


@check
def wrong_values():
    refused(api.from_("parcels").select("*").eq("id", "seven"), "22P02")
    refused(api.from_("parcels").select("*").eq("state", "nowhere"), "22P02")
    refused(api.from_("parcels").select("*").eq("due_on", "2024-02-30"), "22008")
    refused(api.from_("zones").select("code,("), "PGRST100")


@check
def no_query_plan():
    refused(api.from_("zones").select("*").explain(), "PGRST107")


@check
def schemas():
    assert api.schema("public").from_("zones").select("code").limit(1).execute().data
    refused(SyncPostgrestClient(URL, schema="nowhere").from_("zones").select("*"), "PGRST106")


# Rights ---------------------------------------------------------------------------------------------------------------


@check
def rows_by_role():
    ids = lambda client: column(client.from_("memos").select("id").order("id").execute(), "id")
    assert ids(api) == [2, 4]
    assert ids(signed_in(USER1)) == [1, 2, 4, 5]
    assert ids(signed_in(USER2)) == [2, 3, 4]
    assert ids(signed_in(SERVICE)) == [1, 2, 3, 4, 5]


@check
def memos_of_ones_own():
    user = signed_in(USER1)
    memo = user.from_("memos").insert({"title": "New"}).execute().data[0]
    assert signed_in(USER2).from_("memos").update({"title": "x"}).eq("id", memo["id"]).execute().data == []
    assert user.from_("memos").delete().eq("id", memo["id"]).execute().data[0]["title"] == "New"
    refused(user.from_("memos").insert({"title": "x", "owner_id": "22222222-2222-4222-8222-222222222222"}), "42501")


@check
def columns_by_role():
    user = signed_in(USER1)
    refused(user.from_("payroll").select("salary"), "42501")
    assert len(user.from_("payroll").select("courier_id,grade").execute().data) == 4


@check
def tokens_that_do_not_count():
    refused(signed_in("nonsense").from_("zones").select("*"), "PGRST301")
    refused(signed_in(USER1[:-4] + "AAAA").from_("zones").select("*"), "PGRST301")


# Asynchronous, and the whole Supabase client ----------------------------------------------------------------------------


@check
async def asynchronous_requests():
    async with AsyncPostgrestClient(URL) as client:
        queries = [client.from_("depots").select("code").eq("id", number).single().execute() for number in range(1, 11)]
        answers = await asyncio.gather(*queries)
        assert [answer.data["code"] for answer in answers][:3] == ["HUB", "AMS", "RTM"]
        try:
            await client.from_("nothing").select("*").execute()
        except APIError as error:
            assert error.code == "PGRST205"
        else:
            raise AssertionError("not refused")


@check
def the_supabase_client():
    gym = create_client(os.environ["GYM_URL"], os.environ["GYM_KEY"])
    climbs = gym.table("climbs").select("id, route(grade, setter(name))").is_("sent", True).order("id", desc=True).limit(1).execute()
    assert climbs.data == [{"id": 30, "route": {"grade": "7a+", "setter": {"name": "Davit Beridze"}}}]
    gym.postgrest.auth(os.environ["GYM_MINA"])
    climb = gym.table("climbs").insert({"name": "From Python", "route_id": 1}).execute().data[0]
    assert climb["climber"] == "11111111-1111-4111-8111-111111111111"
    assert len(gym.table("climbs").delete().eq("id", climb["id"]).execute().data) == 1


@check
def the_rows_afterwards_are_the_rows_before():
    assert api.from_("zones").select("*", count=CountMethod.exact, head=True).execute().count == 6
    assert api.from_("tickets").select("*", count=CountMethod.exact, head=True).execute().count == 6


if __name__ == "__main__":
    sys.exit(asyncio.run(finish()))
