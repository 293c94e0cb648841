//! The protocol against real engines: each case runs on SQLite and on PostgreSQL.

mod accounts;
mod admin;
mod external;
mod external_doubts;
mod external_faults;
mod factors;
mod guesses;
mod interleavings;
mod mails;
mod persons;
mod sessions;

/// A case, as a test on each engine.
macro_rules! on_both {
    ($name:ident, $settings:expr, |$house:ident| $case:block) => {
        mod $name {
            use super::*;

            async fn case($house: &House) $case

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                case(&House::embedded($settings).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn server() {
                let Some(house) = House::server(concat!(stringify!($name), "::server"), $settings).await else { return };
                case(&house).await;
            }
        }
    };
}

use on_both;

use crate::testing::House;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery staple";

/// Signs up an account that need not be confirmed; gives what signing in gives.
async fn account(house: &House, email: &str) -> Value {
    let (status, body, _) = house.send(("POST", "/signup"), "", json!({"email": email, "password": PASSWORD})).await;
    assert_eq!(status, 200, "{body}");
    body
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("{name} is no text in {body}"))
}

/// The claims of an access token.
fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
