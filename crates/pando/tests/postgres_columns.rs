//! Columns and rows as PostgREST's dialect has them on a real PostgreSQL, against the binary: what is computed, what a
//! domain looks like outside, what only the server knows the name of.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod stage;

use serde_json::{Value, json};
use stage::Stage;
use testkit::Request;

#[test]
fn what_a_function_computes_of_a_written_row_is_of_that_row() {
    let Some(stage) = Stage::set(
        "what_a_function_computes_of_a_written_row_is_of_that_row",
        "create table accounts (zid int primary key, dropped text, owner_id int, a_parent int,
                                twice int generated always as (owner_id * 2) stored, pando_row text);
         alter table accounts drop column dropped;
         create view visible as select * from accounts;
         create table parts (id int primary key, account int references accounts);
         create function itself(accounts) returns setof accounts rows 1 language sql stable as 'select $1.*';
         create function parts_of(accounts) returns setof parts language sql stable
           as 'select * from parts where account = $1.zid order by id';
         create function itself(visible) returns setof visible rows 1 language sql stable as 'select $1.*';
         create function label(accounts) returns text language sql stable as 'select ''#'' || $1.zid';
         create table odd (s0 int, s1 int, id int primary key);
         create function same(odd) returns setof odd rows 1 language sql stable as 'select $1.*';
         insert into odd values (null, null, 1);
         insert into accounts values (1, 2, 3); insert into parts values (7, 1), (8, 1);",
    ) else {
        return;
    };
    assert_eq!(stage.get("/accounts?select=itself(zid,twice)"), json!([{"itself": {"zid": 1, "twice": 4}}]));
    let row = json!({"zid": 1, "owner_id": 2, "a_parent": 4, "twice": 4, "pando_row": null});
    let mut whole = row.clone();
    whole["itself"] = row.clone();
    let set = json!({"a_parent": 4});
    assert_eq!(stage.write("PATCH", "/accounts?zid=eq.1&select=*,itself(*)", &set), json!([whole]));
    assert_eq!(
        stage.write("PATCH", "/accounts?zid=eq.1&select=label,itself(pando_row,zid),...parts_of(parts:id)", &set),
        json!([{"label": "#1", "itself": {"pando_row": null, "zid": 1}, "parts": [7, 8]}])
    );
    let inner = "/accounts?zid=eq.1&select=zid,parts_of!inner(id)&parts_of.id=eq.8";
    assert_eq!(stage.write("PATCH", inner, &set), json!([{"zid": 1, "parts_of": [{"id": 8}]}]));
    let added = stage.write("POST", "/accounts?select=zid,itself(owner_id,twice)", &json!({"zid": 5, "owner_id": 6}));
    assert_eq!(added, json!([{"zid": 5, "itself": {"owner_id": 6, "twice": 12}}]));
    let merge = Request::json("POST", "/accounts?select=itself(a_parent)", &json!({"zid": 5, "a_parent": 9}))
        .prefer("return=representation,resolution=merge-duplicates");
    assert_eq!(stage.send(&merge).json(), json!([{"itself": {"a_parent": 9}}]));
    let seen = stage.write("PATCH", "/visible?zid=eq.5&select=itself(zid,a_parent)", &json!({"a_parent": 10}));
    assert_eq!(seen, json!([{"itself": {"zid": 5, "a_parent": 10}}]));
    let odd = json!([{"same": {"s1": null, "id": 1}}]);
    assert_eq!(stage.get("/odd?select=same(s1,id)"), odd, "columns may be called like what stands for the row");
    assert_eq!(stage.write("PATCH", "/odd?id=eq.1&select=same(s1,id)", &json!({"s0": null})), odd);
    let nothing = stage.write("PATCH", "/accounts?select=itself(zid)", &json!({}));
    assert_eq!(nothing, json!([]));
    let gone =
        stage.send(&Request::new("DELETE", "/accounts?zid=eq.5&select=itself(zid)").prefer("return=representation"));
    assert_eq!(gone.json(), json!([{"itself": {"zid": 5}}]));

    // The function is given the whole row: who may not read it all may not ask for it.
    stage.postgres.run("revoke select on accounts from anon; grant select (zid, a_parent) on accounts to anon");
    let narrow = Request::json("PATCH", "/accounts?zid=eq.1&select=zid", &set).prefer("return=representation");
    assert_eq!(stage.send(&narrow).json(), json!([{"zid": 1}]));
    let wide = Request::json("PATCH", "/accounts?zid=eq.1&select=itself(zid)", &set).prefer("return=representation");
    let refused = stage.send(&wide);
    assert_eq!((refused.status, refused.code().as_str()), (401, "42501"), "{}", refused.text());
    assert_eq!(stage.refusal("/accounts?select=itself(zid)"), (401, "42501".to_owned()));
}

#[test]
fn a_domain_is_shown_and_read_as_its_casts_say() {
    let Some(stage) = Stage::set_with(
        "a_domain_is_shown_and_read_as_its_casts_say",
        "create domain color as integer check (value between 0 and 16777215);
         create function color_text(color) returns text language sql immutable
           as $$ select '#' || lpad(upper(to_hex($1)), 6, '0') $$;
         create function color_json(color) returns json language sql immutable as $$ select to_json(color_text($1)) $$;
         create function color_from_text(text) returns color language sql immutable
           as $$ select (('x' || lpad(replace($1, '#', ''), 8, '0'))::bit(32)::int)::color $$;
         create function color_from_json(json) returns color language sql immutable
           as $$ select color_from_text($1 #>> '{}') $$;
         create cast (color as json) with function color_json(color) as implicit;
         create cast (json as color) with function color_from_json(json) as implicit;
         create cast (text as color) with function color_from_text(text) as implicit;
         create domain plain as integer;
         create table paints (id int primary key, shade color default 15, other plain, name text);
         insert into paints values (1, 0, 5, 'black'), (2, 256, 6, 'dark'), (3, 123456, 7, 'blue'), (4, null, 8, 'none');
         create view shown as select id, shade from paints;
         create table cans (id int primary key, paint int references paints);
         insert into cans values (1, 2);
         create function all_paints() returns setof paints language sql stable as 'select * from paints order by id';
         create domain \"application/vnd.shades\" as text;
         create function add_shade(text, paints) returns \"application/vnd.shades\" language sql immutable
           as $$ select coalesce($1, '') || $2.shade || ';' $$;
         create aggregate shades(paints) (sfunc = add_shade, stype = \"application/vnd.shades\");",
        "[api]\naggregates = true\n[server]\nserver_timing = true\n",
    ) else {
        return;
    };
    assert_eq!(stage.get("/paints?select=id,shade&id=eq.2"), json!([{"id": 2, "shade": "#000100"}]));
    let whole = json!([{"id": 2, "shade": "#000100", "other": 6, "name": "dark"}]);
    assert_eq!(stage.get("/paints?id=eq.2"), whole);
    assert_eq!(stage.get("/shown?id=in.(3,4)&select=c:shade&order=id"), json!([{"c": "#01E240"}, {"c": null}]));
    assert_eq!(stage.get("/cans?select=paints(shade)"), json!([{"paints": {"shade": "#000100"}}]));
    assert_eq!(stage.get("/paints?select=cans(id),shade&id=eq.2"), json!([{"cans": [{"id": 1}], "shade": "#000100"}]));
    assert_eq!(stage.get("/rpc/all_paints?select=shade&id=eq.3"), json!([{"shade": "#01E240"}]));
    assert_eq!(stage.get("/paints?select=shade&order=shade.desc.nullslast&limit=1"), json!([{"shade": "#01E240"}]));
    // A cast is of what is shown.
    assert_eq!(stage.get("/paints?select=shade::text&id=eq.2"), json!([{"shade": "\"#000100\""}]));
    // What is folded and what makes a group is what the column holds.
    assert_eq!(stage.get("/paints?select=shade.count(),shade.max()"), json!([{"count": 3, "max": 123456}]));
    let groups = stage.get("/paints?select=shade,id.max()&order=shade.desc.nullslast&limit=1");
    assert_eq!(groups, json!([{"shade": "#01E240", "max": 3}]));

    let handed = stage.send(&Request::new("GET", "/paints?shade=gt.000001").header("Accept", "application/vnd.shades"));
    assert_eq!(handed.text(), "256;123456;", "a media type's aggregate takes the rows themselves");

    for (filter, ids) in [
        ("shade=eq.000100", json!([2])),
        ("shade=not.eq.%23000100", json!([1, 3])),
        ("shade=gt.000100", json!([3])),
        ("shade=in.(000100,01E240)", json!([2, 3])),
        ("shade=not.in.(000100,01E240)", json!([1])),
        ("shade=is.null", json!([4])),
        ("shade=eq(any).{000100,01E240}", json!([2, 3])),
        ("shade=isdistinct.256", json!([1, 3, 4])),
        ("or=(shade.eq.000100,id.eq.4)", json!([2, 4])),
        ("other=eq.6", json!([2])),
    ] {
        let rows = stage.get(&format!("/paints?select=id&order=id&{filter}"));
        let found: Vec<Value> = rows.as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
        assert_eq!(json!(found), ids, "{filter}");
    }

    // Where no other value can take the place of one, the same words are known all the same.
    let answer = stage.send(&Request::new("GET", "/paints?select=id&order=id&shade=eq.000100"));
    assert!(!answer.header("server-timing").unwrap().contains("render"), "{:?}", answer.header("server-timing"));

    let body = json!([{"id": 10, "shade": "#001100"}, {"id": 11, "shade": null}]);
    let added = stage.write("POST", "/paints?select=id,shade", &body);
    assert_eq!(added, json!([{"id": 10, "shade": "#001100"}, {"id": 11, "shade": null}]));
    assert_eq!(stage.postgres.run("select shade from paints where id in (10, 11) order by id"), "4352\n\n");
    let changed = stage.write("PATCH", "/paints?shade=eq.001100&select=*", &json!({"shade": "#00FF00"}));
    assert_eq!(changed, json!([{"id": 10, "shade": "#00FF00", "other": null, "name": null}]));
    assert_eq!(
        stage.write("PATCH", "/shown?id=eq.10", &json!({"shade": "#0000FF"})),
        json!([{"id": 10, "shade": "#0000FF"}])
    );
    let merged = Request::json("POST", "/paints?select=id,shade", &json!([{"id": 10, "shade": "#000001"}]))
        .prefer("return=representation,resolution=merge-duplicates");
    assert_eq!(stage.send(&merged).json(), json!([{"id": 10, "shade": "#000001"}]));
    let put = stage.write("PUT", "/paints?id=eq.12&select=shade", &json!({"id": 12, "shade": "#00000A"}));
    assert_eq!(put, json!([{"shade": "#00000A"}]));
    let missing = Request::json(
        "POST",
        "/paints?columns=id,shade,name&select=id,shade",
        &json!([{"id": 20}, {"id": 21, "shade": "#000002"}]),
    )
    .prefer("return=representation,missing=default");
    assert_eq!(stage.send(&missing).json(), json!([{"id": 20, "shade": "#00000F"}, {"id": 21, "shade": "#000002"}]));
    // The domain's own check still has a word.
    let wrong = stage.send(&Request::json("POST", "/paints", &json!({"id": 30, "shade": "#1000000"})));
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "23514"), "{}", wrong.text());
}

/// Only casts that happen by themselves, through a function that the caller's login may run.
#[test]
fn other_casts_of_a_domain_say_nothing() {
    let Some(stage) = Stage::set(
        "other_casts_of_a_domain_say_nothing",
        "create domain shade as integer; create domain hidden as integer;
         create function shade_json(shade) returns json language sql immutable as $$ select '\"shade\"'::json $$;
         create function hidden_json(hidden) returns json language sql immutable as $$ select '\"hidden\"'::json $$;
         create cast (shade as json) with function shade_json(shade) as assignment;
         create cast (hidden as json) with function hidden_json(hidden) as implicit;
         revoke execute on function hidden_json(hidden) from public;
         create table spots (a shade, b hidden); insert into spots values (1, 2);",
    ) else {
        return;
    };
    assert_eq!(stage.get("/spots"), json!([{"a": 1, "b": 2}]));
}

/// As supabase-js has always asked for it: `select('*, comments(count)')`.
#[test]
fn count_is_the_number_of_rows_where_no_column_is_called_so() {
    const SCHEMA: &str = "
        create table clients (id int primary key, name text);
        create table projects (id int primary key, client int references clients, name text);
        create table counters (id int primary key, count int, client int references clients);
        insert into clients values (1, 'Microsoft'), (2, 'Apple'), (3, 'None');
        insert into projects values (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c');
        insert into counters values (1, 10, 1), (2, 20, 1);
        create function all_projects() returns setof projects language sql stable as 'select * from projects';";
    for configuration in ["", "[api]\naggregates = true\n"] {
        let Some(stage) =
            Stage::set_with("count_is_the_number_of_rows_where_no_column_is_called_so", SCHEMA, configuration)
        else {
            return;
        };
        let embedded = json!([
            {"name": "Microsoft", "projects": [{"count": 2}]},
            {"name": "Apple", "projects": [{"count": 1}]},
            {"name": "None", "projects": [{"count": 0}]},
        ]);
        assert_eq!(stage.get("/clients?select=name,projects(count)&order=id"), embedded);
        let filtered = stage.get("/clients?select=*,n:projects(count)&projects.name=eq.a&id=eq.1");
        assert_eq!(filtered, json!([{"id": 1, "name": "Microsoft", "n": [{"count": 1}]}]));
        assert_eq!(stage.get("/projects?select=count"), json!([{"count": 3}]));
        assert_eq!(stage.get("/projects?select=total:count::text&id=gt.1"), json!([{"total": "2"}]));
        assert_eq!(stage.get("/rpc/all_projects?select=count"), json!([{"count": 3}]));
        let counters = stage.get("/clients?select=counters(count)&id=eq.1");
        assert_eq!(counters, json!([{"counters": [{"count": 10}, {"count": 20}]}]), "a column of that name is meant");
        assert_eq!(stage.refusal("/projects?select=name,count"), (400, "42803".to_owned()));
        assert_eq!(stage.refusal("/projects?count=eq.1").0, 400);
    }
}

#[test]
fn an_embed_of_nothing_but_empty_embeds_is_not_shown() {
    let Some(stage) = Stage::set(
        "an_embed_of_nothing_but_empty_embeds_is_not_shown",
        "create table clients (id int primary key, name text);
         create table projects (id int primary key, client int references clients);
         create table tasks (id int primary key, project int references projects);
         insert into clients values (1, 'Apple'), (2, 'Other');
         insert into projects values (1, 1), (2, 2);
         insert into tasks values (1, 1), (2, 2), (3, 1);",
    ) else {
        return;
    };
    let inner = stage.get("/tasks?select=id,projects!inner(clients!inner())&projects.clients.name=eq.Apple&order=id");
    assert_eq!(inner, json!([{"id": 1}, {"id": 3}]));
    assert_eq!(stage.get("/clients?select=name,projects(tasks())&id=eq.1"), json!([{"name": "Apple"}]));
    assert_eq!(stage.get("/clients?select=name,...projects(tasks())&id=eq.1"), json!([{"name": "Apple"}]));
    assert_eq!(
        stage.get("/clients?select=name,projects(id,tasks(projects()))&id=eq.1"),
        json!([{"name": "Apple", "projects": [{"id": 1}]}])
    );
}

#[test]
fn names_that_only_the_server_resolves_are_passed_on() {
    let Some(stage) = Stage::set_with(
        "names_that_only_the_server_resolves_are_passed_on",
        "create table parent (id int primary key, name text);
         create table items (size int) inherits (parent);
         alter table items add primary key (id);
         create table clients (id int primary key, item int references items);
         insert into items values (1, 'one', 10), (2, 'two', 20); insert into clients values (1, 1), (2, 2);
         create function any_comp(anyelement) returns text language sql stable as $$ select 'any' $$;
         create function rec_comp(record) returns text language plpgsql stable as $$ begin return 'rec'; end $$;
         create function def_comp(items, x int default 7) returns int language sql stable as 'select $1.size + x';
         create function inh_comp(parent) returns text language sql stable as 'select upper($1.name)';
         create function row_comp(items) returns clients language sql stable as 'select * from clients where item = $1.id';
         create function secret_comp(items) returns text language sql stable as $$ select 'secret' $$;
         revoke execute on function secret_comp(items) from public;
         create function all_items() returns setof items language sql stable as 'select * from items order by id';
         create view seen as select id, name from items;",
        "[api]\naggregates = true\nmax_rows = 1\n",
    ) else {
        return;
    };
    let of_one = |select: &str| stage.get(&format!("/items?id=eq.1&select={select}"))[0].clone();
    assert_eq!(of_one("any_comp,rec_comp,inh_comp"), json!({"any_comp": "any", "rec_comp": "rec", "inh_comp": "ONE"}));
    assert_eq!(of_one("row_comp"), json!({"row_comp": {"id": 1, "item": 1}}));
    assert_eq!(of_one("to_jsonb"), json!({"to_jsonb": {"id": 1, "name": "one", "size": 10}}));
    assert_eq!(of_one("row_comp->>id,n:to_jsonb->name"), json!({"id": "1", "n": "one"}));
    assert_eq!(stage.get("/rpc/all_items?select=inh_comp&inh_comp=eq.TWO"), json!([{"inh_comp": "TWO"}]));
    assert_eq!(
        stage.get("/clients?select=items(inh_comp)&items.inh_comp=eq.TWO&id=eq.2"),
        json!([{"items": {"inh_comp": "TWO"}}])
    );
    assert_eq!(stage.get("/items?select=id&order=inh_comp.desc"), json!([{"id": 2}]));
    assert_eq!(stage.get("/items?select=inh_comp,size.sum()&order=inh_comp"), json!([{"inh_comp": "ONE", "sum": 10}]));
    assert_eq!(stage.refusal("/items?select=json_agg").1, "42703", "no aggregate goes around the most rows of a read");
    let changed = stage.write("PATCH", "/items?inh_comp=eq.ONE&select=inh_comp", &json!({"name": "uno"}));
    assert_eq!(changed, json!([{"inh_comp": "UNO"}]));

    let row_version = of_one("id,xmin")["xmin"].as_str().unwrap().to_owned();
    assert_eq!(stage.get(&format!("/items?select=id&xmin=eq.{row_version}")), json!([{"id": 1}]));
    assert_eq!(of_one("tableoid::regclass"), json!({"tableoid": "items"}));
    assert_eq!(stage.get("/items?select=id,ctid&order=ctid.desc&limit=1")[0]["id"], json!(1), "it was written last");
    let stale = stage.write("PATCH", "/items?id=eq.1&xmin=eq.3&select=id", &json!({"name": "x"}));
    assert_eq!(stale, json!([]));
    let written =
        stage.write("PATCH", &format!("/items?id=eq.1&xmin=eq.{row_version}&select=id,xmin"), &json!({"name": "x"}));
    assert_ne!(written[0]["xmin"], json!(row_version));

    // What there is not is told as before, at its own place and with what is near.
    let told = |path: &str| {
        let answer = stage.server.get(path);
        assert_eq!((answer.status, answer.code().as_str()), (400, "42703"), "{path}: {}", answer.text());
        let error = answer.json();
        (error["message"].as_str().unwrap().to_owned(), error["hint"].as_str().map(str::to_owned))
    };
    let near = |column: &str| Some(format!("Perhaps you meant to reference the column \"{column}\"."));
    assert_eq!(told("/items?select=id,sise"), ("column items.sise does not exist".to_owned(), near("items.size")));
    assert_eq!(told("/clients?select=items(nam)").0, "column items_1.nam does not exist");
    assert_eq!(told("/items?select=%22a%5C%22,b%22").0, "column items.a\",b does not exist");
    assert_eq!(told("/seen?select=xmin").0, "column seen.xmin does not exist");
    assert_eq!(told("/items?select=size.sum(),name&order=nope").0, "column items.nope does not exist");
    assert_eq!(told("/items?select=id&nope=eq.1&order=other").0, "column items.nope does not exist");
    assert_eq!(stage.refusal("/items?select=secret_comp"), (401, "42501".to_owned()));

    // A name that is passed on is worth no more than the columns that it stands for.
    stage.postgres.run("revoke select on items from anon; grant select (id) on items to anon");
    assert_eq!(stage.get("/items?select=id&id=eq.2"), json!([{"id": 2}]));
    for select in ["any_comp", "to_jsonb", "inh_comp", "name", "xmin"] {
        assert_eq!(stage.refusal(&format!("/items?select={select}")), (401, "42501".to_owned()), "{select}");
    }
}

#[test]
fn arrows_go_into_what_becomes_json() {
    let Some(stage) = Stage::set(
        "arrows_go_into_what_becomes_json",
        "create table things (id int primary key, u uuid, p point, i int, at timestamptz, ns int[], data jsonb, note text);
         insert into things values (1, '00000000-0000-0000-0000-000000000001', '(1,2)', 5, 'epoch', '{4,5}', '{\"c\": [1, {\"b\": 2}]}', 'x')",
    ) else {
        return;
    };
    let nulls = stage.get("/things?select=u->>x,a:p->y,b:i->x,c:at->>z,ns->1");
    assert_eq!(nulls, json!([{"x": null, "a": null, "b": null, "c": null, "ns": 5}]));
    assert_eq!(stage.get("/things?select=id&u->>x=eq.1"), json!([]));
    assert_eq!(stage.get("/things?select=id&order=p->x"), json!([{"id": 1}]));
    assert_eq!(stage.get("/things?select=data->c->1->>b"), json!([{"b": "2"}]));

    // What an arrow has made text of has no members.
    for (path, message) in [
        ("select=data->>c->1", "operator does not exist: text -> integer"),
        ("select=data->>c->b", "operator does not exist: text -> unknown"),
        ("select=data->>c->>b", "operator does not exist: text ->> unknown"),
        ("select=id&data->>c->>1=eq.1", "operator does not exist: text ->> integer"),
        ("select=id&order=data->>c->b", "operator does not exist: text -> unknown"),
    ] {
        let answer = stage.server.get(&format!("/things?{path}"));
        assert_eq!((answer.status, answer.code().as_str()), (404, "42883"), "{path}: {}", answer.text());
        assert_eq!(answer.json()["message"], message, "{path}");
    }
}
