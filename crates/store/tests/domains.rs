//! Domains on the embedded engine.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use support::{Fixture, migration, service};

const SCHEMA: &str = "
create domain email as text check (value ~ '^[^@]+@[^@]+$') check (length(value) < 20);
create domain work_email as email not null default 'a@b' constraint at_work check (value like '%b');
create table people (id int primary key, private email, work work_email, second work_email default 'x@b');
grant select, insert, update, delete on people to service_role;
insert into people (id) values (1);
";

#[tokio::test(flavor = "multi_thread")]
async fn columns_have_what_their_domain_says() {
    let fixture = Fixture::with(SCHEMA).await;
    let read = fixture.ask(&service(), "GET", "/people", "", "").await.expect("reads").body;
    assert_eq!(read, r#"[{"id":1,"private":null,"work":"a@b","second":"x@b"}]"#);
    for (body, code, message) in [
        (r#"{"id":2,"private":"nope"}"#, "23514", "value for domain email violates check constraint \"email_check\""),
        (
            r#"{"id":2,"private":"0123456789@0123456789"}"#,
            "23514",
            "value for domain email violates check constraint \"email_check1\"",
        ),
        (r#"{"id":2,"work":"a@c"}"#, "23514", "value for domain work_email violates check constraint \"at_work\""),
        (
            r#"{"id":2,"work":null}"#,
            "23502",
            "null value in column \"work\" of relation \"people\" violates not-null constraint",
        ),
    ] {
        let refused = fixture.ask(&service(), "POST", "/people", body, "").await.err().expect(body);
        assert_eq!((&*refused.code, refused.message.as_str()), (code, message));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_is_used_stays() {
    let fixture = Fixture::with(SCHEMA).await;
    let before = fixture.store.catalog().snapshot().clone();
    let error = sql::ddl::translate("m.sql", "drop domain email;", &before).expect_err("used").to_string();
    assert!(error.contains("column private of table people"), "{error}");
    let change = migration(
        2,
        "alter table people drop column private; alter table people alter column work type varchar(9); drop domain email;",
        &*fixture.store,
    );
    fixture.store.apply_migration(change).await.expect("applies");
    fixture.ask(&service(), "POST", "/people", r#"{"id":9,"work":"no check"}"#, "").await.expect("its checks went");
    assert!(sql::ddl::translate("m.sql", "select 1::work_email", &before).is_err());
}
