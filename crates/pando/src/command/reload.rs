//! `pando reload`: asks a running server to read its schema and keys again.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::cli::Reload;
use crate::configuration::{Prepared, Sources, load};
use crate::outcome::CommandError;
use crate::terminal::Style;

/// How long a server may take to be connected to.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may take to read ten thousands of tables.
const ANSWER: Duration = Duration::from_secs(120);
/// The longest answer.
const MOST_BYTES: u64 = 64 << 10;

/// Asks the server at the admin address, or a process.
pub fn run(asked: &Reload, sources: &Sources, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    if let Some(process) = asked.pid {
        let process = i32::try_from(process).ok().and_then(Pid::from_raw);
        let process = process.ok_or_else(|| CommandError::Failed("--pid: there is no such process".to_owned()))?;
        kill_process(process, Signal::HUP)
            .map_err(|error| CommandError::Failed(format!("--pid: SIGHUP cannot be sent: {error}")))?;
        writeln!(out, "{}: SIGHUP was sent; the log of the server says how it went", style.good("asked"))?;
        return Ok(());
    }
    let mut sources = sources.clone();
    if let Some(address) = &asked.admin {
        sources.flags.push(("server.admin_listen".to_owned(), address.clone(), "--admin".to_owned()));
    }
    let prepared = Prepared::new(&load(&sources)?, None)?;
    let address = prepared.admin_listen.ok_or_else(|| {
        CommandError::Failed(
            "server.admin_listen is off, so the server cannot be asked; use --pid, or send SIGHUP to it".to_owned(),
        )
    })?;
    let address = reachable(address);
    let answer = ask(address).map_err(|error| {
        CommandError::Failed(format!("{address} (server.admin_listen) does not answer: {error}; does the server run?"))
    })?;
    let is_done = answer.starts_with("HTTP/1.1 200");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
    if is_done {
        let names = |member: &str| {
            let names = body.get(member).and_then(serde_json::Value::as_array).into_iter().flatten();
            names.filter_map(serde_json::Value::as_str).collect::<Vec<_>>().join(", ")
        };
        return Ok(tell(&names("changed"), &names("after_restart"), style, out)?);
    }
    let reason = body.get("reason").and_then(serde_json::Value::as_str);
    Err(CommandError::Failed(match reason {
        Some(reason) => format!("{address}: {reason}"),
        None => format!("{address} answers as no Pando does"),
    }))
}

/// Says what was read, and which changes of the configuration count now and which do not.
fn tell(changed: &str, after_restart: &str, style: Style, out: &mut dyn Write) -> std::io::Result<()> {
    let count = if changed.is_empty() {
        "nothing of it that counts at once was changed".to_owned()
    } else {
        format!("from now on counts {changed}")
    };
    writeln!(out, "{}: the schema and the configuration were read again; {count}", style.good("reloaded"))?;
    if !after_restart.is_empty() {
        writeln!(
            out,
            "{} {after_restart}: changed since the start, and counts after a restart",
            style.warning("warning:")
        )?;
    }
    Ok(())
}

/// A server that listens on every address is asked on this machine's own.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, CONNECT)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(CONNECT))?;
    let head = format!(
        "POST /reload HTTP/1.1\r\nHost: {address}\r\nPando-Admin: reload\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.take(MOST_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}
