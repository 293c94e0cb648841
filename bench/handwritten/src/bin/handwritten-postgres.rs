//! The yardstick on PostgreSQL: the benchmark's endpoints written by hand, with axum, tokio-postgres and deadpool, in three ways: JSON
//! made here from the rows (`/climbs…`), the same in a transaction with a role and claims (`/as/climbs…`), and for reads JSON made by
//! PostgreSQL (`/json/climbs…`), as PostgREST does it. Without `/as` requests run as whoever logs in.
//!
//! `handwritten-postgres CONNECTION PORT CONNECTIONS` serves.

#[path = "../moment.rs"]
mod moment;

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use serde::Deserialize;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{NoTls, Row};

type Failure = Box<dyn Error + Send + Sync>;

const POINT: &str = "SELECT id, name, route_id, sent, attempts, climbed_at, note FROM climbs WHERE id = $1";
const LIST: &str =
    "SELECT id, name, route_id, sent, attempts, climbed_at, note FROM climbs WHERE id > $1 ORDER BY id LIMIT $2";
const EMBEDDED: &str = "SELECT climbs.id, climbs.name, climbs.sent, route.id, route.name, route.grade
    FROM climbs JOIN route ON route.id = climbs.route_id WHERE climbs.id > $1 ORDER BY climbs.id LIMIT $2";
const COMMENTS: &str = "SELECT climb_id, id, body, stars FROM comments WHERE climb_id = ANY ($1) ORDER BY climb_id";
const INSERT: &str = "INSERT INTO climbs (name, route_id, sent, attempts, note) VALUES ($1, $2, $3, $4, $5)";

/// Who asks, for the transaction. What comes back is not looked at.
const AS: &str = "SELECT set_config('role', $1, true), set_config('request.jwt.claims', $2, true)";
const ROLE: &str = "anon";
const CLAIMS: &str = r#"{"role":"anon"}"#;

const JSON_POINT: &str = "SELECT coalesce(json_agg(row), '[]')::text FROM
    (SELECT id, name, route_id, sent, attempts, climbed_at, note FROM climbs WHERE id = $1) AS row";
const JSON_LIST: &str = "SELECT coalesce(json_agg(row), '[]')::text FROM
    (SELECT id, name, route_id, sent, attempts, climbed_at, note FROM climbs WHERE id > $1 ORDER BY id LIMIT $2) AS row";
const JSON_EMBEDDED: &str = "SELECT coalesce(json_agg(row), '[]')::text FROM
    (SELECT climbs.id, climbs.name, climbs.sent, row_to_json(route) AS route, coalesce(said.comments, '[]') AS comments
     FROM climbs
     LEFT JOIN LATERAL (SELECT id, name, grade FROM route WHERE route.id = climbs.route_id) AS route ON true
     LEFT JOIN LATERAL (SELECT json_agg(comment) AS comments FROM
        (SELECT id, body, stars FROM comments WHERE climb_id = climbs.id) AS comment) AS said ON true
     WHERE climbs.id > $1 ORDER BY climbs.id LIMIT $2) AS row";

#[derive(Deserialize)]
struct Page {
    after: i64,
    limit: i64,
}

/// What a client sends.
#[derive(Deserialize)]
struct NewClimb {
    name: String,
    route_id: i64,
    #[serde(default)]
    sent: bool,
    #[serde(default = "once")]
    attempts: i32,
    note: Option<String>,
}

fn once() -> i32 {
    1
}

/// `timestamptz` as it comes: microseconds since 2000.
struct Moment(i64);

impl<'a> FromSql<'a> for Moment {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(i64::from_be_bytes(raw.try_into()?) + 946_684_800_000_000))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [connection, port, connections] = arguments.as_slice() else {
        return Err("handwritten-postgres CONNECTION PORT CONNECTIONS".into());
    };
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(connection.parse()?, NoTls, manager);
    let pool = Arc::new(Pool::builder(manager).max_size(connections.parse()?).build()?);
    let routes = Router::new()
        .route("/climbs", get(list).post(insert))
        .route("/climbs/{id}", get(point))
        .route("/climbs-with-all", get(embedded))
        .route("/as/climbs", get(list_as).post(insert_as))
        .route("/as/climbs/{id}", get(point_as))
        .route("/as/climbs-with-all", get(embedded_as))
        .route("/json/climbs", get(json_list))
        .route("/json/climbs/{id}", get(json_point))
        .route("/json/climbs-with-all", get(json_embedded))
        .with_state(pool);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    axum::serve(listener.tap_io(|socket| drop(socket.set_nodelay(true))), routes).await?;
    Ok(())
}

async fn point(State(pool): State<Arc<Pool>>, Path(id): Path<i64>) -> Response {
    json(async {
        let client = pool.get().await?;
        let statement = client.prepare_cached(POINT).await?;
        rows(&client.query(&statement, &[&id]).await?)
    })
    .await
}

async fn list(State(pool): State<Arc<Pool>>, Query(page): Query<Page>) -> Response {
    json(async {
        let client = pool.get().await?;
        let statement = client.prepare_cached(LIST).await?;
        rows(&client.query(&statement, &[&page.after, &page.limit]).await?)
    })
    .await
}

async fn point_as(State(pool): State<Arc<Pool>>, Path(id): Path<i64>) -> Response {
    json(as_role(&pool, POINT, &[&id])).await
}

async fn list_as(State(pool): State<Arc<Pool>>, Query(page): Query<Page>) -> Response {
    json(as_role(&pool, LIST, &[&page.after, &page.limit])).await
}

/// In a transaction of a role with claims. All of it is sent at once, as tokio-postgres pipelines what is polled together.
async fn as_role(pool: &Pool, text: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<u8>, Failure> {
    let client = pool.get().await?;
    let (setup, statement) = (client.prepare_cached(AS).await?, client.prepare_cached(text).await?);
    let (_, _, found, _) = tokio::try_join!(
        biased;
        client.batch_execute("BEGIN READ ONLY"),
        client.query(&setup, &[&ROLE, &CLAIMS]),
        client.query(&statement, parameters),
        client.batch_execute("COMMIT"),
    )?;
    rows(&found)
}

/// Two statements, and so two moments: whoever writes this by hand seldom minds.
async fn embedded(State(pool): State<Arc<Pool>>, Query(page): Query<Page>) -> Response {
    json(async {
        let client = pool.get().await?;
        let statement = client.prepare_cached(EMBEDDED).await?;
        let climbs = client.query(&statement, &[&page.after, &page.limit]).await?;
        let statement = client.prepare_cached(COMMENTS).await?;
        let comments = client.query(&statement, &[&ids(&climbs)?]).await?;
        nested(&climbs, &comments)
    })
    .await
}

/// The first statement goes out with all that comes before it, the second with the end. A task of its own: a client that leaves between
/// them must not leave a connection in its transaction.
async fn embedded_as(State(pool): State<Arc<Pool>>, Query(page): Query<Page>) -> Response {
    json(async { tokio::spawn(embedded_in_transaction(pool, page)).await? }).await
}

async fn embedded_in_transaction(pool: Arc<Pool>, page: Page) -> Result<Vec<u8>, Failure> {
    let client = pool.get().await?;
    let (setup, outer) = (client.prepare_cached(AS).await?, client.prepare_cached(EMBEDDED).await?);
    let inner = client.prepare_cached(COMMENTS).await?;
    let parameters: [&(dyn ToSql + Sync); 2] = [&page.after, &page.limit];
    let (_, _, climbs) = tokio::try_join!(
        biased;
        client.batch_execute("BEGIN READ ONLY"),
        client.query(&setup, &[&ROLE, &CLAIMS]),
        client.query(&outer, &parameters),
    )?;
    let ids = ids(&climbs)?;
    let parameters: [&(dyn ToSql + Sync); 1] = [&ids];
    let (comments, ()) = tokio::try_join!(biased; client.query(&inner, &parameters), client.batch_execute("COMMIT"))?;
    nested(&climbs, &comments)
}

async fn insert(State(pool): State<Arc<Pool>>, body: Bytes) -> StatusCode {
    written(&body, async |climb: NewClimb| {
        let client = pool.get().await?;
        let statement = client.prepare_cached(INSERT).await?;
        client.execute(&statement, &climb.parameters()).await?;
        Ok(())
    })
    .await
}

async fn insert_as(State(pool): State<Arc<Pool>>, body: Bytes) -> StatusCode {
    written(&body, async |climb: NewClimb| {
        let client = pool.get().await?;
        let (setup, statement) = (client.prepare_cached(AS).await?, client.prepare_cached(INSERT).await?);
        let parameters = climb.parameters();
        tokio::try_join!(
            biased;
            client.batch_execute("BEGIN"),
            client.query(&setup, &[&ROLE, &CLAIMS]),
            client.execute(&statement, &parameters),
            client.batch_execute("COMMIT"),
        )?;
        Ok(())
    })
    .await
}

impl NewClimb {
    fn parameters(&self) -> [&(dyn ToSql + Sync); 5] {
        [&self.name, &self.route_id, &self.sent, &self.attempts, &self.note]
    }
}

async fn written(body: &[u8], write: impl AsyncFnOnce(NewClimb) -> Result<(), Failure>) -> StatusCode {
    let Ok(climb) = serde_json::from_slice::<NewClimb>(body) else { return StatusCode::BAD_REQUEST };
    match write(climb).await {
        Ok(()) => StatusCode::CREATED,
        Err(_failed) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn ids(climbs: &[Row]) -> Result<Vec<i64>, tokio_postgres::Error> {
    climbs.iter().map(|row| row.try_get(0)).collect()
}

/// Climbs, each with its route and its comments, which come in the order of the climbs.
fn nested(climbs: &[Row], comments: &[Row]) -> Result<Vec<u8>, Failure> {
    let mut left = comments.iter().peekable();
    let mut out = Vec::with_capacity(climbs.len() * 320);
    out.push(b'[');
    for row in climbs {
        if out.len() > 1 {
            out.push(b',');
        }
        let id: i64 = row.try_get(0)?;
        number(&mut out, b"{\"id\":", id);
        text(&mut out, b",\"name\":", row, 1)?;
        boolean(&mut out, b",\"sent\":", row.try_get(2)?);
        number(&mut out, b",\"route\":{\"id\":", row.try_get(3)?);
        text(&mut out, b",\"name\":", row, 4)?;
        text(&mut out, b",\"grade\":", row, 5)?;
        out.extend_from_slice(b"},\"comments\":[");
        let mut is_first = true;
        while let Some(comment) = left.next_if(|comment| comment.try_get::<_, i64>(0).is_ok_and(|of| of == id)) {
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            number(&mut out, b"{\"id\":", comment.try_get(1)?);
            text(&mut out, b",\"body\":", comment, 2)?;
            number(&mut out, b",\"stars\":", comment.try_get::<_, i32>(3)?.into());
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
    out.push(b']');
    Ok(out)
}

async fn json_point(State(pool): State<Arc<Pool>>, Path(id): Path<i64>) -> Response {
    json(made_there(&pool, JSON_POINT, &[&id])).await
}

async fn json_list(State(pool): State<Arc<Pool>>, Query(page): Query<Page>) -> Response {
    json(made_there(&pool, JSON_LIST, &[&page.after, &page.limit])).await
}

async fn json_embedded(State(pool): State<Arc<Pool>>, Query(page): Query<Page>) -> Response {
    json(made_there(&pool, JSON_EMBEDDED, &[&page.after, &page.limit])).await
}

/// JSON as PostgreSQL makes it.
async fn made_there(pool: &Pool, text: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<u8>, Failure> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(text).await?;
    let row = client.query_one(&statement, parameters).await?;
    Ok(row.try_get::<_, &str>(0)?.as_bytes().to_vec())
}

fn rows(found: &[Row]) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::with_capacity(found.len() * 160 + 2);
    out.push(b'[');
    for row in found {
        if out.len() > 1 {
            out.push(b',');
        }
        number(&mut out, b"{\"id\":", row.try_get(0)?);
        text(&mut out, b",\"name\":", row, 1)?;
        number(&mut out, b",\"route_id\":", row.try_get(2)?);
        boolean(&mut out, b",\"sent\":", row.try_get(3)?);
        number(&mut out, b",\"attempts\":", row.try_get::<_, i32>(4)?.into());
        out.extend_from_slice(b",\"climbed_at\":\"");
        moment::moment(&mut out, row.try_get::<_, Moment>(5)?.0);
        out.push(b'"');
        text(&mut out, b",\"note\":", row, 6)?;
        out.push(b'}');
    }
    out.push(b']');
    Ok(out)
}

fn number(out: &mut Vec<u8>, name: &[u8], value: i64) {
    out.extend_from_slice(name);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn boolean(out: &mut Vec<u8>, name: &[u8], value: bool) {
    out.extend_from_slice(name);
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// A text or null.
fn text(out: &mut Vec<u8>, name: &[u8], row: &Row, column: usize) -> Result<(), Failure> {
    out.extend_from_slice(name);
    match row.try_get::<_, Option<&str>>(column)? {
        // Writing a string into a vector cannot fail.
        Some(value) => drop(serde_json::to_writer(&mut *out, value)),
        None => out.extend_from_slice(b"null"),
    }
    Ok(())
}

async fn json(body: impl Future<Output = Result<Vec<u8>, Failure>>) -> Response {
    const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
    match body.await {
        Ok(body) => ([(header::CONTENT_TYPE, JSON)], body).into_response(),
        Err(_failed) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
