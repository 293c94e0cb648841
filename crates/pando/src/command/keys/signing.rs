//! `pando keys list` and `pando keys rotate`: the keys that the login signs tokens with.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, SystemClock, Timestamp};
use datatype::{DatumRef, Type, Zone};
use login::{KeptKey, SigningKeys};
use serde_json::{Value, json};
use store::Store;

use crate::command::serve::sign_in::{derivation, make_tables};
use crate::configuration::{ConfigError, Loaded, LoginEnabled, Prepared, Sources};
use crate::database;
use crate::observer::Silent;
use crate::outcome::CommandError;
use crate::terminal::Style;

/// The keys of a database, with the database.
struct Opened {
    keys: SigningKeys,
    store: Arc<dyn Store>,
    loaded: Loaded,
}

async fn open(sources: &Sources) -> Result<Opened, CommandError> {
    let loaded = database::configuration(sources).await?;
    let prepared = Prepared::new(&loaded, None)?;
    if prepared.login == LoginEnabled::Off {
        return Err(ConfigError::one("auth.login.enabled", "is \"off\", so there are no keys to sign with").into());
    }
    let store = database::open(&loaded.config, &prepared, Arc::new(Silent)).await?;
    make_tables(store.as_ref()).await.map_err(CommandError::Database)?;
    let derivation = derivation(&loaded, &prepared, true)?
        .ok_or_else(|| ConfigError::one("auth.secret", "is not set, so keys cannot be encrypted"))?;
    let keys = SigningKeys::new(store.clone(), &derivation).map_err(failed)?;
    Ok(Opened { keys, store, loaded })
}

fn failed(error: login::KeysError) -> CommandError {
    CommandError::Failed(error.to_string())
}

/// Lists the keys, the youngest first.
pub async fn list(is_json: bool, sources: &Sources, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let opened = open(sources).await?;
    let kept = opened.keys.list().await;
    opened.store.close().await;
    let (kept, now) = (kept.map_err(failed)?, SystemClock.now());
    if is_json {
        let list: Vec<Value> = kept.iter().map(|key| as_json(key, now)).collect();
        return Ok(writeln!(out, "{:#}", Value::from(list))?);
    }
    if kept.is_empty() {
        writeln!(out, "there are no keys yet: the first one is made when the login starts")?;
    }
    for key in &kept {
        let state = match state(key, now) {
            word @ "gone" => style.bad(word),
            word @ "waiting" => style.warning(word),
            word => style.good(word),
        };
        write!(out, "{state}  {}  signs from {}", key.id, moment(key.signs_from))?;
        match key.verifies_until {
            Some(until) => writeln!(out, ", published until {}", moment(until))?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

/// Makes a new key.
pub async fn rotate(at_once: bool, sources: &Sources, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let opened = open(sources).await?;
    let lifetime = Duration::from_secs(opened.loaded.config.login.access_token_seconds.into());
    let made = opened.keys.rotate(at_once, lifetime, SystemClock.now()).await;
    opened.store.close().await;
    let made = made.map_err(failed)?;
    writeln!(out, "{} {}, which signs from {}", style.good("made"), made.id, moment(made.signs_from))?;
    Ok(())
}

/// What a key does now. The signing one is the youngest that may; older ones are told by their end.
fn state(key: &KeptKey, now: Timestamp) -> &'static str {
    match key.verifies_until {
        Some(until) if until <= now => "gone",
        _ if key.signs_from > now => "waiting",
        Some(_) => "leaving",
        None => "signing",
    }
}

fn as_json(key: &KeptKey, now: Timestamp) -> Value {
    json!({
        "id": key.id,
        "state": state(key, now),
        "created_at": moment(key.created_at),
        "signs_from": moment(key.signs_from),
        "verifies_until": key.verifies_until.map(moment),
    })
}

fn moment(moment: Timestamp) -> String {
    let mut text = Vec::new();
    datatype::write_json(&Type::TimestampTz, DatumRef::Integer(moment.0), &Zone::default(), &mut text);
    String::from_utf8_lossy(&text).trim_matches('"').to_owned()
}
