//! The forms of an answer that only a PostgreSQL server gives, against the binary on a real one: plans, GeoJSON, and media types
//! that the schema makes of rows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use serde_json::{Value, json};
use testkit::{Answer, Launch, Postgres, Project, Request, Server, is_skipped};

const SCHEMA: &str = "
    create role gate login noinherit;
    create role anon; grant anon to gate;
    create schema inside; grant usage on schema inside to anon;
    create table docks (id integer primary key, name text);
    create table boats (id integer primary key, name text not null, dock integer references docks);
    insert into docks values (1, 'north'), (2, 'south');
    insert into boats values (1, 'Ada', 1), (2, 'Bo', 2), (3, 'Cy', 1);
    grant select, insert, update, delete on boats, docks to anon;
    create function all_boats() returns setof boats language sql stable as $$ select * from boats order by id $$;
    create function sum_of(a integer, b integer) returns integer language sql immutable as $$ select a + b $$;
";

fn database(test: &str, more: &str) -> Option<Postgres> {
    let postgres = Postgres::start_for(test)?;
    postgres.run(SCHEMA);
    postgres.run(more);
    Some(postgres)
}

fn start(postgres: &Postgres, more: &str) -> (Project, Server) {
    let project = Project::new(&format!("[log]\nrequests = \"failed\"\n{more}"));
    let url = postgres.url("gate");
    let launch = Launch::new(env!("CARGO_BIN_EXE_pando"))
        .variable("PANDO_DATABASE_URL", &url)
        .variable("PANDO_DATABASE_MIGRATE_ON_START", "false");
    let server = launch.start(&project);
    (project, server)
}

fn accept(server: &Server, path: &str, media_type: &str) -> Answer {
    server.client().send(&Request::new("GET", path).header("Accept", media_type))
}

const EXPLAINED: &str = "[api]\nexplain = true\n";

#[test]
fn a_plan_is_told_where_the_operator_lets_it() {
    let Some(postgres) = database("a_plan_is_told_where_the_operator_lets_it", "") else { return };
    let (_project, closed) = start(&postgres, "");
    let refused = accept(&closed, "/boats", "application/vnd.pgrst.plan");
    assert_eq!((refused.status, refused.code().as_str()), (406, "PGRST107"), "{}", refused.text());
    let message = "None of these media types are available: application/vnd.pgrst.plan+text; for=\"application/json\"";
    assert_eq!(refused.json()["message"], message);
    let other = accept(&closed, "/boats?limit=1", "application/vnd.pgrst.plan, text/csv");
    assert_eq!((other.status, other.header("content-type")), (200, Some("text/csv; charset=utf-8")));
    drop(closed);

    let (_project, server) = start(&postgres, EXPLAINED);
    let text = accept(&server, "/boats?id=eq.1&select=name,docks(name)", "application/vnd.pgrst.plan");
    let expected = "application/vnd.pgrst.plan+text; for=\"application/json\"; charset=utf-8";
    assert_eq!((text.status, text.header("content-type")), (200, Some(expected)));
    assert!(text.text().contains("Scan") && text.text().ends_with('\n'), "{}", text.text());
    assert!(text.text().lines().count() > 2, "{}", text.text());
    assert_eq!((text.header("content-range"), text.header("content-location")), (None, None));

    let wanted = "application/vnd.pgrst.plan+json; for=\"application/vnd.pgrst.object\"; options=analyze|verbose|settings|buffers|wal";
    let answer = accept(&server, "/boats?order=id", wanted);
    let expected = "application/vnd.pgrst.plan+json; for=\"application/vnd.pgrst.object+json\"; \
                    options=analyze|verbose|settings|buffers|wal; charset=utf-8";
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(expected)), "{}", answer.text());
    let plan = &answer.json()[0];
    assert_eq!(plan["Plan"]["Actual Rows"], 3, "{plan}");
    assert!(plan["Plan"]["Output"].is_array() && plan["Plan"]["WAL Records"].is_number(), "{plan}");
    assert!(plan["Settings"]["search_path"].is_string() && plan["Planning"].is_object(), "{plan}");
}

#[test]
fn the_plan_of_a_write_writes_when_it_is_analyzed() {
    let Some(postgres) = database("the_plan_of_a_write_writes_when_it_is_analyzed", "") else { return };
    let (_project, server) = start(&postgres, EXPLAINED);
    let ask = |method: &str, path: &str, options: &str, body: Option<Value>| {
        let request = match &body {
            Some(body) => Request::json(method, path, body),
            None => Request::new(method, path),
        };
        let accept = format!("application/vnd.pgrst.plan+json{options}");
        server.client().send(&request.header("Accept", accept).prefer("return=representation"))
    };
    let node = |answer: &Answer| {
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()[0]["Plan"].to_string()
    };
    let boat = || Some(json!({"id": 7, "name": "Gil"}));
    assert!(node(&ask("POST", "/boats", "", boat())).contains("\"Operation\":\"Insert\""));
    assert!(node(&ask("PUT", "/boats?id=eq.7", "", boat())).contains("\"Operation\":\"Insert\""));
    assert!(node(&ask("PATCH", "/boats?id=eq.1", "", Some(json!({"name": "x"})))).contains("\"Operation\":\"Update\""));
    assert!(node(&ask("DELETE", "/boats?id=eq.1", "", None)).contains("\"Operation\":\"Delete\""));
    assert_eq!(postgres.run("select count(*), min(name) from boats"), "3|Ada\n", "nothing was done");
    assert!(node(&ask("POST", "/boats", ";options=analyze", boat())).contains("\"Actual Rows\":1"));
    assert_eq!(postgres.run("select name from boats where id = 7"), "Gil\n");
    let minimal = Request::json("POST", "/boats", &json!({"id": 8, "name": "Hal"}))
        .header("Accept", "application/vnd.pgrst.plan")
        .prefer("return=headers-only");
    let minimal = server.client().send(&minimal);
    assert_eq!((minimal.status, minimal.header("location")), (200, None), "{}", minimal.text());

    let called = accept(&server, "/rpc/all_boats?id=gt.1", "application/vnd.pgrst.plan+json;options=verbose");
    assert!(node(&called).contains("boats"), "{}", called.text());
    let posted = Request::json("POST", "/rpc/sum_of", &json!({"a": 1, "b": 2}))
        .header("Accept", "application/vnd.pgrst.plan+text;options=analyze");
    let posted = server.client().send(&posted);
    assert!(posted.status == 200 && posted.text().contains("actual time"), "{}", posted.text());
    let refused = accept(&server, "/boats?nothing=eq.1", "application/vnd.pgrst.plan");
    assert_eq!((refused.status, refused.code().as_str()), (400, "42703"));
}

const HANDLERS: &str = "
    create domain \"text/names\" as text;
    create domain \"text/csv\" as text;
    create domain \"application/vnd.fleet+json\" as jsonb;
    create domain \"application/vnd.hidden\" as text;
    create function name_step(state \"text/names\", boat boats) returns \"text/names\" language sql immutable
      as $$ select (state || boat.id || '=' || boat.name || ';')::\"text/names\" $$;
    create aggregate names_of(boats) (sfunc = name_step, stype = \"text/names\", initcond = '');
    create function any_step(state text, item anyelement) returns text language sql stable
      as $$ select state || item::text || E'\\n' $$;
    create function any_end(state text) returns \"text/csv\" language plpgsql as $$
    begin
      perform set_config('response.headers', '[{\"Content-Disposition\": \"attachment\"}]', true);
      return 'own' || E'\\n' || state;
    end $$;
    create aggregate lines_of(anyelement) (sfunc = any_step, finalfunc = any_end, stype = text, initcond = '');
    create function fleet_end(state text) returns \"application/vnd.fleet+json\" language sql immutable
      as $$ select jsonb_build_object('fleet', length(state)) $$;
    create aggregate fleet_of(anyelement) (sfunc = any_step, finalfunc = fleet_end, stype = text, initcond = '');
    create aggregate inside.hidden_of(boats) (sfunc = any_step, stype = text, initcond = '');
    create function hidden_end(state text) returns \"application/vnd.hidden\" language sql immutable as $$ select state $$;
    create aggregate inside.hidden_of(docks) (sfunc = any_step, finalfunc = hidden_end, stype = text, initcond = '');
    create domain \"*/*\" as bytea;
    create table papers (id integer, content text); insert into papers values (1, 'ink'), (2, 'pen');
    grant select, insert on papers to anon;
    create function paper_step(state bytea, paper papers) returns bytea language sql immutable
      as $$ select state || convert_to(paper.content, 'UTF8') $$;
    create function paper_end(state bytea) returns \"*/*\" language plpgsql as $$
    begin
      if current_setting('request.headers')::json->>'accept' = 'text/ink' then
        perform set_config('response.headers', '[{\"Content-Type\": \"text/ink\"}]', true);
      end if;
      return state;
    end $$;
    create aggregate paper_of(papers) (sfunc = paper_step, finalfunc = paper_end, stype = bytea, initcond = '');";

#[test]
fn an_aggregate_makes_rows_a_media_type() {
    let Some(postgres) = database("an_aggregate_makes_rows_a_media_type", HANDLERS) else { return };
    let (_project, server) = start(&postgres, EXPLAINED);
    let told = |answer: &Answer| (answer.status, answer.header("content-type").map(str::to_owned), answer.text());
    let is = |status: u16, media_type: &str, text: &str| (status, Some(media_type.to_owned()), text.to_owned());

    // One that is made for the rows of a relation, filtered, ordered and counted as ever.
    let all = accept(&server, "/boats?order=id.desc&limit=2", "text/names");
    assert_eq!(told(&all), is(200, "text/names", "3=Cy;2=Bo;"));
    assert_eq!(all.header("content-range"), Some("0-1/*"));
    let counted = Request::new("GET", "/boats?id=lt.3&limit=1&select=*").header("Accept", "text/names");
    let counted = server.client().send(&counted.prefer("count=exact"));
    assert_eq!((counted.status, counted.header("content-range")), (206, Some("0-0/2")));
    assert_eq!(told(&accept(&server, "/rpc/all_boats?id=eq.2", "text/names")), is(200, "text/names", "2=Bo;"));
    assert_eq!(told(&accept(&server, "/boats?id=eq.99", "text/names")), is(200, "text/names", ""));
    // It takes whole rows, of this relation.
    for path in ["/boats?select=id,name", "/boats?select=*,docks(name)", "/docks", "/rpc/sum_of?a=1&b=2"] {
        let refused = accept(&server, path, "text/names");
        assert_eq!((refused.status, refused.code().as_str()), (406, "PGRST107"), "{path}: {}", refused.text());
    }
    // One for any rows stands in the place of the dialect's own form, whatever is selected.
    let csv = accept(&server, "/boats?select=name,docks(name)&id=lt.3&order=id", "text/csv");
    let lines = "own\n(Ada,\"{\"\"name\"\":\"\"north\"\"}\")\n(Bo,\"{\"\"name\"\":\"\"south\"\"}\")\n";
    assert_eq!(told(&csv), is(200, "text/csv; charset=utf-8", lines));
    assert_eq!(csv.header("content-disposition"), Some("attachment"));
    let many = accept(&server, "/docks?select=id,boats(id),...boats(names:name)&order=id&boats.order=id", "text/csv");
    assert_eq!(
        many.text(),
        "own\n(1,\"[{\"\"id\"\":1}, \n {\"\"id\"\":3}]\",\"[\"\"Ada\"\", \"\"Cy\"\"]\")\n(2,\"[{\"\"id\"\":2}]\",\"[\"\"Bo\"\"]\")\n"
    );
    let nested =
        "/docks?select=...boats(name,...docks(...boats(again:id)))&id=eq.1&boats.order=id&boats.docks.boats.order=id";
    let nested = accept(&server, nested, "text/csv");
    assert_eq!(nested.text(), "own\n(\"[\"\"Ada\"\", \"\"Cy\"\"]\",\"[[1, 3], [1, 3]]\")\n");
    assert_eq!(
        told(&accept(&server, "/rpc/sum_of?a=1&b=2", "text/csv")),
        is(200, "text/csv; charset=utf-8", "own\n3\n")
    );
    let fleet = accept(&server, "/docks?id=eq.1&select=id", "application/vnd.fleet+json");
    assert_eq!(told(&fleet), is(200, "application/vnd.fleet+json", "{\"fleet\": 4}"));
    assert_eq!(accept(&server, "/boats?limit=1", "*/*").json(), json!([{"id": 1, "name": "Ada", "dock": 1}]));
    // What stands in a schema that is not exposed is not offered, and the dialect's own types stay what they are.
    assert_eq!(accept(&server, "/docks", "application/vnd.hidden").status, 406);
    let one = accept(&server, "/docks?id=eq.1", "application/vnd.pgrst.object");
    assert_eq!(one.json(), json!({"id": 1, "name": "north"}));
    // Rows that were written, too.
    let written = Request::json("POST", "/boats", &json!([{"id": 11, "name": "Ira"}, {"id": 12, "name": "Jo"}]))
        .header("Accept", "text/names");
    let returned = server.client().send(&written.clone().prefer("return=representation").prefer("count=exact"));
    assert_eq!(told(&returned), is(201, "text/names", "11=Ira;12=Jo;"));
    assert_eq!(returned.header("content-range"), Some("*/2"));
    let silent = server.client().send(&Request::new("DELETE", "/boats?id=gt.10").header("Accept", "text/names"));
    assert_eq!((silent.status, silent.text().as_str()), (204, ""));
    // And a plan is that of the same statement.
    let plan = accept(&server, "/boats", "application/vnd.pgrst.plan+json; for=\"text/names\"; options=verbose");
    assert!(plan.text().contains("names_of"), "{}", plan.text());
    let expected = "application/vnd.pgrst.plan+json; for=\"text/names\"; options=verbose; charset=utf-8";
    assert_eq!(plan.header("content-type"), Some(expected));
}

#[test]
fn an_aggregate_of_any_media_type_says_itself_what_it_gives() {
    let Some(postgres) = database("an_aggregate_of_any_media_type_says_itself_what_it_gives", HANDLERS) else { return };
    let (_project, server) = start(&postgres, "");
    for accepted in ["*/*", "application/json", "image/png"] {
        let answer = accept(&server, "/papers?order=id", accepted);
        let told = (answer.status, answer.header("content-type"), answer.text());
        assert_eq!(told, (200, Some("application/octet-stream"), "inkpen".to_owned()), "{accepted}");
    }
    assert_eq!(server.get("/papers?order=id").text(), "inkpen");
    let ink = accept(&server, "/papers?order=id", "text/ink");
    assert_eq!((ink.header("content-type"), ink.text().as_str()), (Some("text/ink"), "inkpen"));
    assert_eq!(server.get("/papers?select=id&order=id&limit=1").json(), json!([{"id": 1}]), "only of whole rows");
    let object = accept(&server, "/papers?id=eq.1", "application/vnd.pgrst.object+json");
    assert_eq!(object.json(), json!({"id": 1, "content": "ink"}));
}

#[test]
fn geojson_is_what_postgis_makes_of_rows() {
    const TEST: &str = "geojson_is_what_postgis_makes_of_rows";
    let Some(postgres) = database(TEST, "") else { return };
    let (_project, server) =
        start(&postgres, "[database]\nextra_search_path = [\"public\", \"geo\"]\n[api]\nmax_rows = 0\n");
    let without = accept(&server, "/boats", "application/geo+json");
    assert_eq!((without.status, without.code().as_str()), (404, "42883"), "{}", without.text());
    assert_eq!(without.json()["message"], "function st_asgeojson(record) does not exist");
    let there = postgres.run("select count(*) from pg_available_extensions where name = 'postgis'");
    if is_skipped(TEST, there == "0\n", "PostGIS", "install it: apt-get install postgresql-15-postgis-3") {
        return;
    }
    postgres.run(
        "create schema geo; grant usage on schema geo to anon; create extension postgis schema geo;
         create table buoys (id integer primary key, name text, at geo.geometry(point, 4326));
         insert into buoys values (1, 'a', 'SRID=4326;POINT(1 2)'), (2, 'b', 'SRID=4326;POINT(3 4)');
         grant select, insert on buoys to anon; notify pgrst;",
    );
    let start = std::time::Instant::now();
    while server.get("/buoys?select=id").status != 200 {
        assert!(start.elapsed() < std::time::Duration::from_secs(60), "{}", server.get("/buoys?select=id").text());
    }
    let feature = |id: u32, name: &str, at: [u32; 2]| json!({"type": "Feature", "geometry": {"type": "Point", "coordinates": at}, "properties": {"id": id, "name": name}});
    let all = accept(&server, "/buoys?order=id", "application/geo+json");
    let told = (all.status, all.header("content-type"), all.header("content-range"));
    assert_eq!(told, (200, Some("application/geo+json; charset=utf-8"), Some("0-1/*")), "{}", all.text());
    let features = json!([feature(1, "a", [1, 2]), feature(2, "b", [3, 4])]);
    assert_eq!(all.json(), json!({"type": "FeatureCollection", "features": features}));
    let none = accept(&server, "/buoys?id=eq.9", "application/geo+json");
    assert_eq!(none.json(), json!({"type": "FeatureCollection", "features": []}));
    let written = Request::json("POST", "/buoys", &json!({"id": 3, "name": "c", "at": "SRID=4326;POINT(5 6)"}))
        .header("Accept", "application/geo+json")
        .prefer("return=representation");
    let written = server.client().send(&written);
    assert_eq!(written.json()["features"], json!([feature(3, "c", [5, 6])]), "{}", written.text());
    postgres.run("insert into buoys select id, 'x', 'SRID=4326;POINT(0 0)' from geo.st_makepoint(0, 0), generate_series(10, 3000) id");
    let long = accept(&server, "/buoys?limit=2500", "application/geo+json");
    assert_eq!(long.json()["features"].as_array().map(Vec::len), Some(2_500), "streamed");
}
