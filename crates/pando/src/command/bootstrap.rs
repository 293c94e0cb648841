//! `pando bootstrap`: what a bare PostgreSQL needs before it is served.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use base::{Limit, Secret};
use store::{Authenticator, BootstrapOutcome, BootstrapSettings, BootstrapStep};

use crate::cli::Bootstrap;
use crate::command::serve::sign_in::make_tables;
use crate::configuration::{
    ApiKeys, AuditEnabled, DatabaseAddress, IdempotencyEnabled, Loaded, LoginEnabled, Prepared, Sources, load,
};
use crate::observer::Silent;
use crate::outcome::CommandError;
use crate::terminal::Style;
use crate::{database, own_tables};

/// The longest password.
const PASSWORD: Limit = Limit::new("bytes of a password", 1_024);

/// The longest name of a role: PostgreSQL cuts off what is longer.
const NAME: Limit = Limit::new("bytes of a role's name", 63);

/// The channel of the event triggers where the configuration says that nothing is listened to: PostgREST's.
const CHANNEL: &str = "pgrst";

/// Adds what is missing, or prints it.
pub fn run(asked: &Bootstrap, sources: &Sources, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let loaded = load(sources)?;
    let prepared = Prepared::new(&loaded, None)?;
    let DatabaseAddress::Server(url) = &prepared.database else {
        return Err(CommandError::Failed(
            "database.url names a file of the embedded engine, which has these roles and functions by itself; \
             name a PostgreSQL server with --url"
                .to_owned(),
        ));
    };
    if let Some(name) = &asked.authenticator
        && (name.is_empty() || name.contains('\0') || NAME.is_exceeded_by(name.len() as u64))
    {
        return Err(CommandError::Failed(format!("--authenticator: a role has a name of 1 to {} bytes", NAME.value)));
    }
    let password = asked.password_file.as_deref().map(read_password).transpose()?;
    let authenticator = asked.authenticator.clone().map(|name| Authenticator { name, password });
    let settings = BootstrapSettings {
        url: url.clone(),
        environment: prepared.libpq.clone(),
        schemas: loaded.config.api.schemas.clone(),
        channel: Some(loaded.config.database.channel.clone())
            .filter(|channel| !channel.is_empty())
            .unwrap_or_else(|| CHANNEL.to_owned()),
        authenticator,
        opens_new_objects: asked.open_new_objects,
        own_tables: own_tables::GRANTS.to_vec(),
        is_dry_run: asked.dry_run,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::Failed(format!("the runtime cannot start: {error}")))?;
    let bootstrap = async {
        let mut steps = store::bootstrap(&settings).await.map_err(CommandError::Database)?;
        if !asked.dry_run && settings.authenticator.is_some() && make_own_tables(&loaded, &prepared).await? {
            // What the authenticator may do with what was just made.
            let known = steps.len();
            let again = store::bootstrap(&settings).await.map_err(CommandError::Database)?;
            let is_news = |step: &BootstrapStep| !steps.iter().take(known).any(|before| before.what == step.what);
            let news: Vec<BootstrapStep> = again.into_iter().filter(is_news).collect();
            steps.extend(news);
        }
        Ok::<_, CommandError>(steps)
    };
    let steps = runtime.block_on(bootstrap)?;
    if asked.dry_run {
        print_sql(&steps, out)?
    } else {
        print_steps(&steps, style, out)?
    }
    Ok(())
}

/// Makes Pando's own tables where the configuration insists on them: the authenticator may not. Says whether there was something
/// to do.
async fn make_own_tables(loaded: &Loaded, prepared: &Prepared) -> Result<bool, CommandError> {
    let signs_in = loaded.config.login.enabled == LoginEnabled::On;
    let has_keys = loaded.config.auth.api_keys == ApiKeys::On;
    let is_audited = prepared.audit.enabled == AuditEnabled::On;
    let keeps_answers = prepared.idempotency.enabled == IdempotencyEnabled::On;
    let is_watched = prepared.watch.is_some();
    if !signs_in && !has_keys && !is_audited && !keeps_answers && !is_watched {
        return Ok(false);
    }
    let store = database::open(&loaded.config, prepared, Arc::new(Silent)).await?;
    let made = async {
        if signs_in {
            make_tables(store.as_ref()).await?;
        }
        if has_keys {
            login::api_keys::make_tables(store.as_ref()).await?;
        }
        let wanted = [
            (keeps_answers, &store::idempotency::MIGRATIONS),
            (is_audited, &audit::MIGRATIONS),
            (is_watched, &store::CHANGES),
        ];
        for (_, own) in wanted.into_iter().filter(|(is_wanted, _)| *is_wanted) {
            for place in 0..own.all.len() {
                store.apply_own(own, place).await?;
            }
        }
        // Functions, and the triggers of the tables that are there: what is left out is told by who serves.
        if is_audited {
            store.audit().await?;
        }
        if is_watched {
            store.watch().await?;
        }
        Ok(())
    };
    let outcome = made.await.map_err(CommandError::Database);
    store.close().await;
    outcome.map(|()| true)
}

/// The first line; a line end after it does not count.
fn read_password(path: &Path) -> Result<Secret, CommandError> {
    let failed = |problem: String| CommandError::Failed(format!("--password-file {}: {problem}", path.display()));
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| failed(format!("cannot be read: {error}")))?)
    };
    let mut text = String::new();
    let read = source.take(PASSWORD.value + 2).read_to_string(&mut text);
    read.map_err(|error| failed(format!("cannot be read as text: {error}")))?;
    let password = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if password.is_empty() || password.contains(['\n', '\0']) || PASSWORD.is_exceeded_by(password.len() as u64) {
        return Err(failed(format!("has to hold one line with a password of at most {} bytes", PASSWORD.value)));
    }
    Ok(Secret::new(password))
}

/// What is missing, as a script; what cannot be added stands in comments.
fn print_sql(steps: &[BootstrapStep], out: &mut dyn Write) -> io::Result<()> {
    for BootstrapStep { what, statement, outcome } in steps {
        match outcome {
            BootstrapOutcome::Added => writeln!(out, "{statement};")?,
            BootstrapOutcome::Present => {}
            BootstrapOutcome::Differs(how) => writeln!(out, "-- {what} is there and left alone: {how}")?,
            BootstrapOutcome::Skipped(why) => writeln!(out, "-- {what}: {why}")?,
        }
    }
    if steps.iter().all(|step| step.outcome == BootstrapOutcome::Present) {
        writeln!(out, "-- nothing is missing")?;
    }
    Ok(())
}

fn print_steps(steps: &[BootstrapStep], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut added = 0;
    for BootstrapStep { what, outcome, .. } in steps {
        match outcome {
            BootstrapOutcome::Added => {
                added += 1;
                writeln!(out, "{}    {what}", style.good("added"))?;
            }
            BootstrapOutcome::Present => {}
            BootstrapOutcome::Differs(how) => {
                writeln!(out, "{}  {what}: {how}; it was left alone", style.warning("differs"))?;
            }
            BootstrapOutcome::Skipped(why) => writeln!(out, "{}  {what}: {why}", style.warning("skipped"))?,
        }
    }
    let present = steps.iter().filter(|step| step.outcome == BootstrapOutcome::Present).count();
    if added == 0 {
        writeln!(out, "nothing was added: {present} of {} are there", steps.len())
    } else {
        writeln!(out, "{added} added, {present} were there")
    }
}
