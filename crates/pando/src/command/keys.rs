//! `pando keys`

mod signing;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, SystemClock, Timestamp};
use identity::KeyKind;
use login::api_keys::{KeyError, KeyKeeper, KeyRecord, KeyWish, MadeKey, Quota, Scope, Usage, shown_moment};
use serde_json::Value;

use crate::cli::{ApiKeyCommand, Keys, Lifetime};
use crate::configuration::{ApiKeys, ConfigError, Prepared, Sources};
use crate::database;
use crate::observer::Silent;
use crate::outcome::CommandError;
use crate::terminal::Style;

/// Runs the subcommand.
pub fn run(action: &Keys, sources: &Sources, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::Failed(format!("the runtime cannot start: {error}")))?;
    match action {
        Keys::Api(action) => runtime.block_on(with_database(action, sources, style, out)),
        Keys::List { json } => runtime.block_on(signing::list(*json, sources, style, out)),
        Keys::Rotate { now } => runtime.block_on(signing::rotate(*now, sources, style, out)),
    }
}

async fn with_database(
    action: &ApiKeyCommand,
    sources: &Sources,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let loaded = database::configuration(sources).await?;
    let prepared = Prepared::new(&loaded, None)?;
    if loaded.config.auth.api_keys == ApiKeys::Off {
        return Err(ConfigError::one("auth.api_keys", "is \"off\", so there are no API keys").into());
    }
    let store = database::open(&loaded.config, &prepared, Arc::new(Silent)).await?;
    let keeper = KeyKeeper::new(
        store.clone(),
        Arc::default(),
        Arc::new(SystemClock),
        Arc::new(getrandom::fill),
        prepared.identity.service_role.clone(),
    );
    let outcome = match keeper.make_table().await {
        Ok(()) => act(action, &keeper, style, out).await,
        Err(error) => Err(CommandError::Database(error)),
    };
    store.close().await;
    outcome
}

async fn act(
    action: &ApiKeyCommand,
    keeper: &KeyKeeper,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let now = SystemClock.now();
    match action {
        ApiKeyCommand::Create { name, secret, role, allow, method, networks, expires, quota, json } => {
            let scope = Scope::from_words(allow, method, networks).map_err(CommandError::Failed)?;
            let kind = if *secret { KeyKind::Secret } else { KeyKind::Publishable };
            let expires_at = match expires {
                Lifetime::Forever => None,
                Lifetime::Seconds(seconds) => Some(Timestamp(now.0.saturating_add(i64::from(*seconds) * 1_000_000))),
            };
            let quota = quota.as_deref().map(Quota::from_words).transpose().map_err(CommandError::Failed)?;
            let wish = KeyWish { name: name.clone(), kind, role: role.clone(), scope, expires_at, quota };
            show_made(&keeper.create(wish).await.map_err(failed)?, *json, style, out)
        }
        ApiKeyCommand::List { json } => {
            let keys = keeper.list_used().await.map_err(CommandError::Database)?;
            let shown = |(key, usage): &(KeyRecord, Option<Usage>)| key.to_json_used(*usage);
            if *json { print(&keys.iter().map(shown).collect(), out) } else { list(&keys, now, out) }
        }
        ApiKeyCommand::Change { key, quota } => {
            let quota = match quota.as_str() {
                "none" => None,
                words => Some(Quota::from_words(words).map_err(CommandError::Failed)?),
            };
            let changed = keeper.bind(key, quota).await.map_err(failed)?;
            let shown = quota.map_or_else(|| "no quota".to_owned(), |quota| format!("the quota {}", quota.to_words()));
            writeln!(out, "{} {} ({}): it has {shown}", style.good("changed"), changed.name, changed.id)?;
            Ok(())
        }
        ApiKeyCommand::Rotate { key, overlap, json } => {
            let Lifetime::Seconds(overlap) = overlap else {
                let text = "a key that counts on forever has no successor; make another with `pando keys api create`";
                return Err(CommandError::Failed(text.to_owned()));
            };
            let made = keeper.rotate(key, Duration::from_secs(u64::from(*overlap))).await.map_err(failed)?;
            show_made(&made, *json, style, out)
        }
        ApiKeyCommand::Revoke { key } => {
            let revoked = keeper.revoke(key).await.map_err(failed)?;
            writeln!(out, "{} {} ({}): it counts no more", style.good("revoked"), revoked.name, revoked.id)?;
            Ok(())
        }
    }
}

fn failed(error: KeyError) -> CommandError {
    match error {
        KeyError::Store(error) => CommandError::Database(error),
        other => CommandError::Failed(other.to_string()),
    }
}

/// Shows a key, for the only time.
fn show_made(made: &MadeKey, as_json: bool, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    if as_json {
        return print(&made.to_json(), out);
    }
    let record = &made.record;
    writeln!(out, "{} {} key {} ({})", style.good("made"), record.kind.name(), record.name, record.id)?;
    writeln!(out, "{}", made.text.expose())?;
    writeln!(out, "It is kept nowhere and cannot be shown again.")?;
    Ok(())
}

fn print(value: &Value, out: &mut dyn Write) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| CommandError::Failed(error.to_string()))?;
    Ok(writeln!(out, "{text}")?)
}

/// One line a key.
fn list(keys: &[(KeyRecord, Option<Usage>)], now: Timestamp, out: &mut dyn Write) -> Result<(), CommandError> {
    if keys.is_empty() {
        writeln!(out, "there are no API keys; `pando keys api create` makes one")?;
    }
    for (key, usage) in keys {
        let state = match (key.revoked_at, key.expires_at) {
            (Some(at), _) => format!("revoked {}", shown_moment(at)),
            (None, Some(at)) if at <= now => format!("expired {}", shown_moment(at)),
            (None, Some(at)) => format!("counts until {}", shown_moment(at)),
            (None, None) => "counts".to_owned(),
        };
        let used = key.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {}", shown_moment(at)));
        let quota = match (key.quota, usage) {
            (Some(quota), Some(usage)) => format!(", {} of {}", usage.used, quota.to_words()),
            _ => String::new(),
        };
        writeln!(out, "{}  {}  {}  {state}, {used}{quota}", key.id, key.hint, key.name)?;
    }
    Ok(())
}
