use http::header::FORWARDED;
use proptest::prelude::*;

use super::*;

fn proxies(header: ForwardedHeader) -> Proxies {
    let networks = ["10.0.0.0/8", "fd00::/8", "192.0.2.7", "::ffff:172.16.0.0/108"].map(str::to_owned);
    Proxies::new(&networks, header, false).unwrap()
}

fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    headers
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn networks() {
    for (text, expected) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("::1", "::1/128"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
    ] {
        assert_eq!(read_network(text).unwrap().to_string(), expected);
    }
    for wrong in ["", "10.0.0.0/33", "10.0.0", "localhost", "10.0.0.0/8/8", "0.0.0.0/0", "::/0"] {
        assert!(read_network(wrong).is_err(), "{wrong}");
    }
    for everybody in [&["0.0.0.0/0"][..], &["::/0"], &["::ffff:0:0/96"], &["10.0.0.1", "0.0.0.0/1", "128.0.0.0/1"]] {
        let networks: Vec<String> = everybody.iter().map(|&text| text.to_owned()).collect();
        let refused = Proxies::new(&networks, ForwardedHeader::XForwardedFor, false);
        assert!(matches!(refused, Err(NetworkError::Everybody(_))), "{everybody:?}: {refused:?}");
    }
}

#[test]
fn the_list_is_followed_from_the_right() {
    for (peer, lines, expected) in [
        // Nobody trusted speaks.
        ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
        ("::ffff:203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
        ("172.17.0.1", &["203.0.113.9"], "203.0.113.9"),
        // What the client has written itself stands left of what the proxy has added.
        ("10.0.0.1", &["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["1.2.3.4", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["1.2.3.4, 10.9.9.9, 203.0.113.9,10.0.0.2", " fd00::2 "], "203.0.113.9"),
        // Inside of the house.
        ("10.0.0.1", &["10.0.0.5"], "10.0.0.5"),
        ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
        // The last one that is believed.
        ("10.0.0.1", &["1.2.3.4, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["1.2.3.4, , 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["1.2.3.4", "\u{fe}", "10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["1.2.3.4, fe80::1%eth0"], "10.0.0.1"),
        ("10.0.0.1", &["1.2.3.4, 203.0.113.999"], "10.0.0.1"),
        ("10.0.0.1", &["1.2.3.4,"], "10.0.0.1"),
    ] {
        let origin = proxies(ForwardedHeader::XForwardedFor).believe(address(peer), &headers(&X_FORWARDED_FOR, lines));
        assert_eq!(origin.address, address(expected), "{peer} {lines:?}");
    }
    let long = vec!["10.0.0.2"; 5000].join(",");
    let origin = proxies(ForwardedHeader::XForwardedFor)
        .believe(address("10.0.0.1"), &headers(&X_FORWARDED_FOR, &[&format!("1.2.3.4,{long}")]));
    assert_eq!(origin.address, address("10.0.0.2"), "a list without end");
}

#[test]
fn forwarded_is_followed_from_the_right() {
    for (peer, lines, expected, is_encrypted) in [
        ("203.0.113.9", &["for=198.51.100.1;proto=https"][..], "203.0.113.9", None),
        ("10.0.0.1", &["for=203.0.113.9;proto=https;by=10.0.0.1"], "203.0.113.9", Some(true)),
        ("10.0.0.1", &["for=\"[2001:db8::1]:4711\""], "2001:db8::1", None),
        ("10.0.0.1", &["for=\"[2001:db8::1]:_p\""], "2001:db8::1", None),
        ("10.0.0.1", &["for=\"[::ffff:203.0.113.9]\""], "203.0.113.9", None),
        (
            "10.0.0.1",
            &["for=1.2.3.4, for=203.0.113.9;proto=http", "for=10.0.0.2;proto=https"],
            "203.0.113.9",
            Some(false),
        ),
        ("10.0.0.1", &["for=1.2.3.4, for=_hidden;proto=https, for=10.0.0.2"], "10.0.0.2", Some(true)),
        ("10.0.0.1", &["for=1.2.3.4, for=unknown"], "10.0.0.1", None),
        ("10.0.0.1", &["for=1.2.3.4, proto=https"], "10.0.0.1", Some(true)),
        ("10.0.0.1", &["for=1.2.3.4, for = 203.0.113.9"], "10.0.0.1", None),
        ("10.0.0.1", &["for=\", for=203.0.113.9"], "203.0.113.9", None),
    ] {
        let origin = proxies(ForwardedHeader::Forwarded).believe(address(peer), &headers(&FORWARDED, lines));
        assert_eq!(origin.address, address(expected), "{peer} {lines:?}");
        assert_eq!(origin.is_encrypted, is_encrypted, "{peer} {lines:?}");
    }
}

#[test]
fn only_one_of_the_headers_counts() {
    let mut both = headers(&X_FORWARDED_FOR, &["203.0.113.9"]);
    both.insert(FORWARDED, HeaderValue::from_static("for=198.51.100.7"));
    for (header, expected) in
        [(ForwardedHeader::XForwardedFor, "203.0.113.9"), (ForwardedHeader::Forwarded, "198.51.100.7")]
    {
        assert_eq!(proxies(header).believe(address("10.0.0.1"), &both).address, address(expected));
    }
}

#[test]
fn scheme_and_host_are_those_of_a_trusted_proxy() {
    let mut headers = headers(&X_FORWARDED_FOR, &["203.0.113.9"]);
    for (name, value) in
        [(X_FORWARDED_PROTO, "http"), (X_FORWARDED_PROTO, "https"), (X_FORWARDED_HOST, "evil.test, gym.test:8443")]
    {
        headers.append(name, HeaderValue::from_static(value));
    }
    let proxies = proxies(ForwardedHeader::XForwardedFor);
    let origin = proxies.believe(address("10.0.0.1"), &headers);
    assert_eq!((origin.is_encrypted, origin.host), (Some(true), Some(HeaderValue::from_static("gym.test:8443"))));
    let origin = proxies.believe(address("203.0.113.9"), &headers);
    assert_eq!((origin.is_encrypted, origin.host), (None, None));
    for (proto, host) in [("", ""), ("ftp", "a b"), ("https,", "gym.test/x")] {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_str(proto).unwrap());
        headers.insert(X_FORWARDED_HOST, HeaderValue::from_str(host).unwrap());
        let origin = proxies.believe(address("10.0.0.1"), &headers);
        assert_eq!((origin.is_encrypted, origin.host), (None, None), "{proto:?} {host:?}");
    }
}

/// What a client may put into a header: mostly pieces of what would be believed, if the place were right.
fn lie() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("1.2.3.4"),
        Just("10.0.0.9"),
        Just("for=1.2.3.4"),
        Just("for=\"[::1]\""),
        Just("for=\""),
        Just("\""),
        Just("\\"),
        Just(","),
        Just(", "),
        Just(";"),
        Just("="),
        Just("proto=https"),
        Just("unknown"),
        Just("\t"),
        Just("fd00::1"),
    ];
    prop_oneof![proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()), "[ -~]{0,40}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// Whatever a client sends, and however many trusted proxies add what they see, in the same line or one of their own:
    /// the address is the client's.
    #[test]
    fn a_client_never_chooses_its_address(
        lies in proptest::collection::vec(lie(), 0..4),
        hops in 0_usize..4,
        same_line in any::<bool>(),
        client in prop_oneof![Just("203.0.113.9"), Just("2001:db8::7")],
        is_rfc in any::<bool>(),
    ) {
        let (header, name) = if is_rfc {
            (ForwardedHeader::Forwarded, FORWARDED)
        } else {
            (ForwardedHeader::XForwardedFor, X_FORWARDED_FOR)
        };
        let mut lines: Vec<String> = lies;
        let mut from = address(client);
        for hop in 0..hops {
            let seen = match (is_rfc, from) {
                (false, from) => from.to_string(),
                (true, IpAddr::V4(from)) => format!("for={from};proto=https"),
                (true, IpAddr::V6(from)) => format!("proto=https;for=\"[{from}]:99\""),
            };
            match lines.last_mut() {
                Some(last) if same_line => *last = format!("{last}, {seen}"),
                _ => lines.push(seen),
            }
            from = IpAddr::from([10, 0, 0, u8::try_from(hop).unwrap()]);
        }
        let mut headers = HeaderMap::new();
        for line in &lines {
            headers.append(&name, HeaderValue::from_str(line).unwrap());
        }
        let origin = proxies(header).believe(from, &headers);
        prop_assert_eq!(origin.address, address(client), "{:?}", lines);
    }
}
