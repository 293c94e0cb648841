//! A server of the binary over a real PostgreSQL, with a schema of a test's own.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use serde_json::Value;
use testkit::{Answer, Launch, Postgres, Project, Request, Server};

/// A server over a database with the tables of a test, all of which `anon` may use.
pub struct Stage {
    pub server: Server,
    pub postgres: Postgres,
    _project: Project,
}

impl Stage {
    /// `None` where there is no PostgreSQL.
    pub fn set(test: &str, schema: &str) -> Option<Self> {
        Self::set_with(test, schema, "")
    }

    /// The same with more of a configuration.
    pub fn set_with(test: &str, schema: &str, configuration: &str) -> Option<Self> {
        let postgres = Postgres::start_for(test)?;
        postgres.run(
            "create role gate login noinherit; create role anon; grant anon to gate;
             alter default privileges in schema public grant all on tables to anon",
        );
        postgres.run(schema);
        let project = Project::new(&format!("[log]\nrequests = \"failed\"\n{configuration}"));
        let url = postgres.url("gate");
        let server = Launch::new(env!("CARGO_BIN_EXE_pando"))
            .variable("PANDO_DATABASE_URL", &url)
            .variable("PANDO_DATABASE_MIGRATE_ON_START", "false")
            .start(&project);
        Some(Self { server, postgres, _project: project })
    }

    /// The body of an answer that is no refusal.
    pub fn get(&self, path: &str) -> Value {
        let answer = self.server.get(path);
        assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text());
        answer.json()
    }

    /// The status and code of a refusal.
    pub fn refusal(&self, path: &str) -> (u16, String) {
        let answer = self.server.get(path);
        (answer.status, answer.code())
    }

    /// The answer to a request.
    pub fn send(&self, request: &Request) -> Answer {
        self.server.client().send(request)
    }

    /// A write that answers its rows.
    pub fn write(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send(&Request::json(method, path, body).prefer("return=representation"));
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.text());
        answer.json()
    }
}
