//! URIs: `postgresql://user:password@host1:5432,host2/database?name=value`.

use percent_encoding::percent_decode_str;

use super::given::{Parameters, TargetError};

const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];

/// Whether the text is meant as a URI.
pub(super) fn is_uri(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

/// Reads a URI. Hosts are a list, which URIs otherwise do not know, so that no general URL parser fits.
pub(super) fn parse(text: &str) -> Result<Parameters, TargetError> {
    let rest = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let mut parameters = Parameters::default();
    check_at(rest)?;
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, database) = rest.split_once('/').map_or((rest, None), |(rest, name)| (rest, Some(name)));
    let hosts = match authority.split_once('@') {
        None => authority,
        Some((login, hosts)) => {
            let (user, password) = login.split_once(':').map_or((login, None), |(user, word)| (user, Some(word)));
            set(&mut parameters, "user", user)?;
            if let Some(password) = password {
                set(&mut parameters, "password", password)?;
            }
            hosts
        }
    };
    host_list(hosts, &mut parameters)?;
    if let Some(database) = database {
        set(&mut parameters, "dbname", database)?;
    }
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        for (place, pair) in query.split('&').enumerate() {
            read_pair(pair, place + 1, &mut parameters)?;
        }
    }
    Ok(parameters)
}

/// One `@` stands before the hosts, and none after them, unless the query holds it. libpq is less strict, and takes a part
/// of a password that is not encoded for a host.
fn check_at(rest: &str) -> Result<(), TargetError> {
    let before_query = rest.split_once('?').map_or(rest, |(before, _)| before);
    let authority = before_query.split_once('/').map_or(before_query, |(authority, _)| authority);
    let is_wrong = match authority.matches('@').count() {
        0 => rest.contains('@'),
        1 => before_query.matches('@').count() > 1,
        _ => true,
    };
    if is_wrong { Err(TargetError::At) } else { Ok(()) }
}

fn set(parameters: &mut Parameters, name: &'static str, text: &str) -> Result<(), TargetError> {
    if text.is_empty() {
        return Ok(());
    }
    parameters.set(name, decode(text, name)?)
}

fn host_list(list: &str, parameters: &mut Parameters) -> Result<(), TargetError> {
    if list.is_empty() {
        return Ok(());
    }
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for part in list.split(',') {
        let (host, port) = host_and_port(part)?;
        hosts.push(decode(host, "host")?);
        ports.push(decode(port, "port")?);
    }
    parameters.set("host", hosts.join(","))?;
    if ports.iter().any(|port| !port.is_empty()) {
        parameters.set("port", ports.join(","))?;
    }
    Ok(())
}

fn host_and_port(part: &str) -> Result<(&str, &str), TargetError> {
    let Some(address) = part.strip_prefix('[') else {
        return Ok(part.split_once(':').unwrap_or((part, "")));
    };
    let (address, rest) = address.split_once(']').ok_or(TargetError::Ipv6)?;
    match rest.strip_prefix(':') {
        Some(port) => Ok((address, port)),
        None if rest.is_empty() && !address.is_empty() => Ok((address, "")),
        None => Err(TargetError::Ipv6),
    }
}

fn read_pair(pair: &str, part: usize, parameters: &mut Parameters) -> Result<(), TargetError> {
    let (name, value) = pair.split_once('=').ok_or(TargetError::Query { part })?;
    if value.contains('=') || name.is_empty() {
        return Err(TargetError::Query { part });
    }
    let (name, value) = (decode(name, "query")?, decode(value, "query")?);
    // JDBC's spelling, which libpq takes in URIs.
    if name == "ssl" && value == "true" {
        return parameters.set("sslmode", "require".to_owned());
    }
    parameters.set(&name, value)
}

fn decode(text: &str, part: &'static str) -> Result<String, TargetError> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        let is_hexadecimal = after.len() >= 2 && after.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
        if !is_hexadecimal {
            return Err(TargetError::Encoding { part });
        }
        if after.starts_with("00") {
            return Err(TargetError::NulByte);
        }
        rest = after;
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| TargetError::Encoding { part })?;
    Ok(decoded.into_owned())
}
