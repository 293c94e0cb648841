//! The yardstick: the benchmark's endpoints written by hand, as a good engineer would who needs only these, on the
//! same SQLite, the same file and the same promises (write-ahead log, synchronous=FULL, group commit). No logs, no
//! metrics, no roles, no filters: what it costs to be general is what the comparison shows.
//!
//! `handwritten DATABASE PORT` serves a file with the tables that Pando's migration made.

mod moment;
mod read;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use serde::Deserialize;

use crate::write::{NewClimb, Writer};

/// What goes wrong outside of requests.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Server {
    path: PathBuf,
    writer: Writer,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    after: i64,
    #[serde(default = "usual_limit")]
    limit: i64,
}

fn usual_limit() -> i64 {
    30
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [path, port] => serve(PathBuf::from(path), port.parse()?),
        _ => Err("handwritten DATABASE PORT".into()),
    }
}

#[tokio::main]
async fn serve(path: PathBuf, port: u16) -> Result<(), Failure> {
    let writer = Writer::start(&path)?;
    let routes = Router::new()
        .route("/climbs", get(list).post(insert))
        .route("/climbs/{id}", get(point))
        .route("/climbs-with-all", get(embedded))
        .with_state(Arc::new(Server { path, writer }));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener.tap_io(|socket| drop(socket.set_nodelay(true))), routes).await?;
    Ok(())
}

async fn point(State(server): State<Arc<Server>>, Path(id): Path<i64>) -> Response {
    json(read::point(&server.path, id))
}

async fn list(State(server): State<Arc<Server>>, Query(page): Query<Page>) -> Response {
    json(read::list(&server.path, page.after, page.limit))
}

async fn embedded(State(server): State<Arc<Server>>, Query(page): Query<Page>) -> Response {
    json(read::embedded(&server.path, page.after, page.limit))
}

async fn insert(State(server): State<Arc<Server>>, body: Bytes) -> Response {
    let Ok(climb) = serde_json::from_slice::<NewClimb>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    match server.writer.insert(climb).await {
        Ok(()) => StatusCode::CREATED.into_response(),
        Err(_lost) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn json(body: Result<Vec<u8>, rusqlite::Error>) -> Response {
    const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
    match body {
        Ok(body) => ([(header::CONTENT_TYPE, JSON)], body).into_response(),
        Err(_failed) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
