use std::path::Path;

use super::*;

/// An environment of `name=value` lines.
fn environment(lines: &'static str) -> impl Fn(&str) -> Option<String> {
    move |name| {
        let mut pairs = lines.split('\n').filter_map(|line| line.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    }
}

fn parse(text: &str) -> Result<Target, TargetError> {
    Target::parse(text, &environment("PGUSER=me"))
}

/// `host:port` per host, user, database.
fn outline(target: &Target) -> String {
    let hosts: Vec<String> = target
        .hosts
        .iter()
        .map(|host| match &host.place {
            Place::Tcp { name, address: Some(address) } if *name != address.to_string() => {
                format!("{name}={address}|{}", host.port)
            }
            Place::Tcp { name, .. } => format!("{name}|{}", host.port),
            Place::Unix(folder) => format!("{}|{}", folder.display(), host.port),
            Place::DefaultUnix => format!("socket|{}", host.port),
        })
        .collect();
    format!("{} {} {}", hosts.join(","), target.user, target.database)
}

#[test]
fn strings_of_both_kinds_are_read_as_libpq_does() {
    let cases = [
        // The examples of the documentation.
        ("postgresql://", "socket|5432 me me"),
        ("postgresql://localhost", "localhost|5432 me me"),
        ("postgresql://localhost:5433", "localhost|5433 me me"),
        ("postgresql://localhost/mydb", "localhost|5432 me mydb"),
        ("postgresql://user@localhost", "localhost|5432 user user"),
        ("postgresql://user:secret@localhost", "localhost|5432 user user"),
        (
            "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
            "localhost|5432 other otherdb",
        ),
        ("postgresql://host1:123,host2:456/somedb?target_session_attrs=any", "host1|123,host2|456 me somedb"),
        ("postgresql:///mydb?host=localhost&port=5433", "localhost|5433 me mydb"),
        ("postgresql://[2001:db8::1234]/database", "2001:db8::1234|5432 me database"),
        ("postgresql:///dbname?host=/var/lib/postgresql", "/var/lib/postgresql|5432 me dbname"),
        ("postgresql://%2Fvar%2Flib%2Fpostgresql/dbname", "/var/lib/postgresql|5432 me dbname"),
        ("host=localhost port=5432 dbname=mydb connect_timeout=10", "localhost|5432 me mydb"),
        // Those of libpq's own tests (src/interfaces/libpq/t/001_uri.pl), and more of their kind.
        ("postgres://uri-user:secret@host:12345/db", "host|12345 uri-user db"),
        ("postgresql://uri-user@host:12345/", "host|12345 uri-user uri-user"),
        ("postgresql://host/db?user=uri-user", "host|5432 uri-user db"),
        ("postgresql://host/db?u%73er=someotheruser&port=12345", "host|12345 someotheruser db"),
        ("postgresql://:12345", "socket|12345 me me"),
        ("postgresql://host?", "host|5432 me me"),
        ("postgresql://[::1]:12345/db", "::1|12345 me db"),
        ("postgresql://[2001:db8::1]?host=h", "h|5432 me me"),
        ("postgres:///?dbname=a%20b", "socket|5432 me a b"),
        ("postgres://user%40corp:p@h", "h|5432 user@corp user@corp"),
        ("postgres://h1,h2,h3:7/db", "h1|5432,h2|5432,h3|7 me db"),
        ("postgres://h1:,h2/db", "h1|5432,h2|5432 me db"),
        ("postgres://h/d?hostaddr=10.0.0.1", "h=10.0.0.1|5432 me d"),
        // Keywords and values.
        ("", "socket|5432 me me"),
        ("  host = h   user='a b'  ", "h|5432 a b a b"),
        (r"host=h user='it\'s' dbname='back\\slash'", r"h|5432 it's back\slash"),
        (r"host=h user=plain\ space", "h|5432 plain space plain space"),
        ("host=h dbname='' user=u", "h|5432 u u"),
        ("host=a,b port=1,2", "a|1,b|2 me me"),
        ("host=a,b port=1", "a|1,b|1 me me"),
        ("host=a,,/run/pg port=1,,3", "a|1,socket|5432,/run/pg|3 me me"),
        ("hostaddr=127.0.0.1,::1", "127.0.0.1|5432,::1|5432 me me"),
        ("host=a host=b", "b|5432 me me"),
        ("host=h dbname=x=y", "h|5432 me x=y"),
        ("host=h\tport=1\nuser=u", "h|1 u u"),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text).map(|target| outline(&target)).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("postgres://h/%zz", "dbname"),
        ("postgres://h/%4", "dbname"),
        ("postgres://us%ff@h", "percent-encoded UTF-8"),
        ("postgres://h/a%00b", "NUL"),
        ("host=h dbname=a\0b", "NUL"),
        ("postgres://[::1/db", "[address]"),
        ("postgres://[::1]x/db", "[address]"),
        ("postgres://[]/db", "[address]"),
        ("postgres://h/db?port", "part 1"),
        ("postgres://h/db?port=1&a=b=c", "part 2"),
        ("postgres://h/db?zzz=1", "\"zzz\" is no parameter"),
        ("postgres://h/db?service=x", "service is not supported"),
        ("postgres://h/db?sslcrl=x", "sslcrl is not supported"),
        ("postgres://h:0/db", "port takes a number"),
        ("postgres://h:65536/db", "port takes a number"),
        ("postgres://h:x/db", "\"x\""),
        ("host", "\"host\" has no ="),
        ("host=h user", "\"user\" has no ="),
        ("host=h user='a b", "\"user\" does not end"),
        ("host=h user='a\\", "\"user\" does not end"),
        ("host=h foo=bar", "\"foo\" is no parameter"),
        ("host=h replication=database", "replication is not supported"),
        ("host=h require_auth=scram-sha-256", "require_auth is not supported"),
        ("host=h sslmode=strict", "verify-full, not \"strict\""),
        ("host=h sslmode=VERIFY-FULL", "verify-full"),
        ("host=h target_session_attrs=writable", "read-write"),
        ("host=h channel_binding=yes", "prefer"),
        ("host=h load_balance_hosts=yes", "random"),
        ("host=h client_encoding=LATIN1", "UTF8"),
        ("host=h gssencmode=require", "GSSAPI is not supported"),
        ("host=h connect_timeout=soon", "whole seconds"),
        ("host=h keepalives_idle=-1", "whole seconds"),
        ("host=h sslnegotiation=fast", "direct"),
        ("host=h sslnegotiation=direct", "sslmode=prefer"),
        ("host=h sslrootcert=system sslmode=require", "verify-full"),
        ("host=a,b,c port=1,2", "3 hosts and 2 ports"),
        ("host=a,b hostaddr=10.0.0.1", "2 hosts and 1 hostaddrs"),
        ("hostaddr=db.example", "IPv4 or IPv6"),
        ("postgres://a@b@h/d", "%40"),
        ("postgres://h/d@x", "%40"),
        ("host=@abstract", "abstract sockets"),
    ];
    for (text, expected) in cases {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    assert_eq!(Target::parse("host=h", &|_| None), Err(TargetError::NoUser));
}

#[test]
fn the_environment_fills_what_the_string_leaves_out() {
    let all = environment(
        "PGHOST=eh\nPGPORT=99\nPGUSER=eu\nPGPASSWORD=ep\nPGDATABASE=ed\nPGSSLMODE=verify-ca\nPGSSLROOTCERT=/r\nPGSSLCERT=/c\n\
         PGSSLKEY=/k\nPGPASSFILE=/pf\nPGAPPNAME=ea\nPGCONNECT_TIMEOUT=7\nPGOPTIONS=-c x=y\nPGTARGETSESSIONATTRS=primary\nHOME=/home/x",
    );
    let target = Target::parse("", &all).unwrap();
    assert_eq!(outline(&target), "eh|99 eu ed");
    assert_eq!(target.password, Some(Secret::new("ep")));
    assert_eq!(target.password_file.as_deref(), Some(Path::new("/pf")));
    assert_eq!(target.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(target.options.as_deref(), Some("-c x=y"));
    assert_eq!(target.application_name.as_deref(), Some("ea"));
    assert_eq!(target.session, SessionAttributes::Primary);
    assert_eq!(target.tls.mode, TlsMode::VerifyCa);
    assert_eq!(target.tls.roots, Roots::File("/r".into()));
    let identity = Identity { certificate: "/c".into(), key: Some("/k".into()), is_usual: false };
    assert_eq!(target.tls.identity, Some(identity));

    let target = Target::parse("postgres://u:p@h:1/d?sslmode=disable&connect_timeout=0", &all).unwrap();
    assert_eq!(outline(&target), "h|1 u d");
    assert_eq!(target.password, Some(Secret::new("p")));
    assert_eq!(target.tls.mode, TlsMode::Disable);
    assert_eq!(target.connect_timeout, None);

    let bad = Target::parse("host=h", &environment("USER=u\nPGSSLMODE=never"));
    assert!(bad.unwrap_err().to_string().contains("sslmode"));
    let unsupported = Target::parse("host=h", &environment("USER=u\nPGREQUIREAUTH=scram-sha-256"));
    assert!(unsupported.unwrap_err().to_string().contains("PGREQUIREAUTH is not supported"));
}

#[test]
fn the_defaults_are_libpqs() {
    let target = Target::parse("host=h", &environment("USER=os\nHOME=/home/os\nPGHOST=")).unwrap();
    assert_eq!(outline(&target), "h|5432 os os");
    assert_eq!(target.password_file.as_deref(), Some(Path::new("/home/os/.pgpass")));
    assert_eq!(target.tls.mode, TlsMode::Prefer);
    assert_eq!(target.tls.roots, Roots::Usual(Some("/home/os/.postgresql/root.crt".into())));
    assert!(target.tls.identity.is_some_and(|identity| identity.is_usual));
    assert_eq!(target.channel_binding, ChannelBinding::Prefer);
    assert_eq!(target.connect_timeout, Some(DEFAULT_CONNECT_TIMEOUT));
    assert!(target.keepalives.is_on && target.keepalives.idle.is_none());

    let system = parse("host=h sslrootcert=system").unwrap();
    assert_eq!((system.tls.roots, system.tls.mode), (Roots::System, TlsMode::VerifyFull));
    let jdbc = parse("postgres://h/d?ssl=true").unwrap();
    assert_eq!(jdbc.tls.mode, TlsMode::Require);
}

#[test]
fn single_values_are_typed() {
    let text = "host=h keepalives=0 keepalives_idle=5 keepalives_interval=6 keepalives_count=7 tcp_user_timeout=800 \
                fallback_application_name=fall channel_binding=require load_balance_hosts=random gssencmode=disable \
                client_encoding=utf-8 connect_timeout=-1 sslmode=require sslnegotiation=direct";
    let target = parse(text).unwrap();
    let keepalives = Keepalives {
        is_on: false,
        idle: Some(Duration::from_secs(5)),
        interval: Some(Duration::from_secs(6)),
        count: Some(7),
        user_timeout: Some(Duration::from_millis(800)),
    };
    assert_eq!(target.keepalives, keepalives);
    assert_eq!(target.application_name.as_deref(), Some("fall"));
    assert_eq!(target.channel_binding, ChannelBinding::Require);
    assert_eq!(target.connect_timeout, None);
    assert!(target.load_balances && target.tls.is_direct);
    let named = parse("host=h fallback_application_name=fall application_name=own").unwrap();
    assert_eq!(named.application_name.as_deref(), Some("own"));
}

#[test]
fn passwords_are_never_shown() {
    for text in ["postgres://u:hunter2@h/d", "host=h user=u password='hunter2'"] {
        let target = parse(text).unwrap();
        assert_eq!(target.password.as_ref().map(Secret::expose), Some("hunter2"));
        assert!(!format!("{target:?}").contains("hunter2"));
    }
    for text in [
        "postgres://u:hunter2%zz@h/d",
        "postgres://u:hunter2@h:port/d",
        "postgres://h/d?password=hunter2=",
        "postgres://h/d?password=hunter2&x",
        "host=h password='hunter2",
        "password=hunter2 host=h zzz=1",
        "password=hunter2 sslmode=x",
        // A password that should have been encoded or quoted.
        "postgres://u:pass@hunter2@h/d",
        "postgres://u:pass/hunter2@h/d",
        "postgres://u:hunter2/pass@h/d",
        "postgres://u:pass?hunter2@h/d",
        "postgres://u:hunter2?pass@h/d",
        "postgres://u:a@b/hunter2@h/d",
        "host=h password=my hunter2 user=u",
        "host=h password=my hunter2=x user=u",
        "host=h password='it's hunter2' user=u",
        "host=h password=my hunter2='x user=u",
    ] {
        let error = parse(text).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
    }
}
