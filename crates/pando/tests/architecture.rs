//! The law of the house: which crate may lean on which. The compiler forbids circles; this test forbids arrows that
//! point up, foreign crates outside of their keeper, and a core that could reach the world outside.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// The floors, from the ground up. A crate leans on lower floors only, or on the neighbours named in [`NEIGHBOURS`].
const FLOORS: &[(&str, &[&str])] = &[
    ("the ground", &["base"]),
    ("the meters and the values", &["telemetry", "datatype", "wire", "freshness", "delivery"]),
    ("the core", &["rest", "catalog", "plan", "sql", "contract"]),
    ("the capabilities", &["store", "cache", "acme", "cdn", "files"]),
    ("the rooms", &["identity", "limits", "audit", "service", "login"]),
    ("the front", &["edge"]),
    ("the roof", &["pando"]),
];

/// What may be leaned on across a floor.
const NEIGHBOURS: &[(&str, &str)] = &[
    ("plan", "rest"),
    ("plan", "catalog"),
    ("sql", "plan"),
    ("sql", "catalog"),
    ("sql", "rest"),
    ("contract", "catalog"),
    ("service", "identity"),
    ("service", "limits"),
    ("login", "audit"),
    ("login", "identity"),
    ("login", "service"),
];

/// Crates for development only: anything may use them in its tests, nothing else may.
const DEVELOPMENT: &[&str] = &["testkit", "properties"];

/// The keeper of each foreign crate that touches the world outside.
const KEEPERS: &[(&str, &[&str])] = &[
    ("hyper", &["edge"]),
    ("hyper-util", &["edge"]),
    ("ipnet", &["edge"]),
    ("rusqlite", &["store"]),
    ("redis", &["cache"]),
    ("instant-acme", &["acme"]),
    ("x509-parser", &["acme"]),
    ("rcgen", &["acme", "testkit"]),
    ("wire", &["store"]),
    ("postgres-protocol", &["wire"]),
    ("tokio-rustls", &["edge", "wire"]),
    ("swagger-ui-redist", &["edge"]),
    ("sqlparser", &["sql"]),
    ("ring", &["identity", "audit"]),
    ("clap", &["pando"]),
    ("clap_complete", &["pando"]),
    ("indicatif", &["pando"]),
    ("mime_guess", &["files"]),
    ("rustix", &["pando", "login", "files"]),
    ("argon2", &["login"]),
    ("bcrypt", &["login"]),
    ("scrypt", &["login"]),
    ("aes", &["login"]),
    ("sha1", &["login"]),
    ("lettre", &["login"]),
    ("qrcode", &["login"]),
    ("toml", &["pando"]),
    ("prometheus-client", &["telemetry"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("opentelemetry-otlp", &["telemetry"]),
    ("bigdecimal", &["datatype"]),
    ("jiff", &["datatype"]),
    ("regex", &["datatype"]),
    ("regex-automata", &["datatype"]),
    ("md-5", &["datatype"]),
    ("jsonschema", &["catalog"]),
    ("flate2", &["delivery"]),
    ("brotli", &["delivery"]),
    ("zstd", &["delivery"]),
];

/// The core is pure: none of these.
const IMPURE: &[&str] = &["tokio", "reqwest", "getrandom", "rusqlite", "hyper", "parking_lot", "toml", "clap"];

struct Member {
    /// Dependencies of the crate itself.
    needs: Vec<String>,
}

fn members() -> BTreeMap<String, Member> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let needs = dependencies
                .iter()
                .filter(|dependency| dependency["kind"] != "dev")
                .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
                .collect();
            (package["name"].as_str().expect("a name").to_owned(), Member { needs })
        })
        .collect()
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|(_, crates)| crates.contains(&name))
}

#[test]
fn every_crate_has_a_floor() {
    for name in members().keys() {
        let is_known = floor(name).is_some() || DEVELOPMENT.contains(&name.as_str());
        assert!(is_known, "the crate {name} stands on no floor: give it one in this test and in ARCHITECTURE.md");
    }
}

#[test]
fn arrows_point_down() {
    let members = members();
    for (name, member) in &members {
        let Some(own) = floor(name) else { continue };
        for needed in member.needs.iter().filter(|needed| members.contains_key(*needed)) {
            assert!(
                !DEVELOPMENT.contains(&needed.as_str()),
                "{name} leans on {needed}, which is for tests: make it a dev-dependency"
            );
            let Some(theirs) = floor(needed) else { continue };
            let is_neighbour = NEIGHBOURS.contains(&(name.as_str(), needed.as_str()));
            assert!(
                theirs < own || is_neighbour,
                "{name} (on {}) leans on {needed} (on {}): an arrow that points up. Move what {name} needs into a \
                 lower crate, or hand it in from above",
                FLOORS[own].0,
                FLOORS[theirs].0
            );
        }
    }
}

#[test]
fn foreign_crates_have_one_keeper() {
    for (name, member) in members() {
        for (foreign, keepers) in KEEPERS {
            let uses = member.needs.iter().any(|needed| needed == foreign);
            assert!(
                !uses || keepers.contains(&name.as_str()),
                "{name} uses {foreign}, whose keeper is {}: go through its interface",
                keepers.join(", ")
            );
        }
    }
}

#[test]
fn the_core_is_pure() {
    let members = members();
    for name in ["base", "datatype", "freshness", "rest", "catalog", "plan", "sql", "contract"] {
        for impure in IMPURE {
            assert!(
                !members[name].needs.iter().any(|needed| needed == impure),
                "{name} belongs to the pure core and uses {impure}: take what it gives as a parameter"
            );
        }
    }
}
