use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use identity::SigningKey;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

/// Who Pando is at this provider.
pub const CLIENT_ID: &str = "pando";

/// What proves it: with letters that a form writes otherwise.
pub const CLIENT_SECRET: &str = "a secret: of ours/+&";

/// What a provider does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The token names another nonce.
    OtherNonce,
    /// The token names no nonce.
    NoNonce,
    /// The token is for somebody else.
    OtherAudience,
    /// The token is for us and somebody else.
    FurtherAudience,
    /// The token was given to somebody else.
    OtherParty,
    /// The token is another issuer's.
    OtherIssuer,
    /// The token is not signed (`alg: none`).
    Unsigned,
    /// The token is signed with HS256, the published key being the secret.
    SignedWithPublicKey,
    /// The token is signed with a key that nobody published, under its own name.
    UnknownKey,
    /// The token is signed with a key that nobody published, under the name of the published one.
    ForgedKey,
    /// The token brings its own key along (`jwk`, `jku`).
    OwnKey,
    /// The token has expired.
    Expired,
    /// The token is from the future.
    Future,
    /// The token says of nobody.
    NoSubject,
    /// The hash of the access token is another's.
    OtherHash,
    /// There is no token in the answer.
    NoToken,
    /// The provider does not take the code.
    Refuses,
    /// The provider answers 500.
    Broken,
    /// The provider answers more than anybody reads.
    Huge,
    /// The provider sends whoever asks elsewhere.
    Redirects,
    /// The provider does not answer.
    Silent,
    /// The callback names another issuer.
    OtherIssuerInCallback,
    /// The callback names no issuer.
    NoIssuerInCallback,
    /// The document names another issuer.
    OtherDocument,
    /// The document sends codes unencrypted to another machine.
    OpenDocument,
    /// The keys are published with a shared secret among them.
    PublishedSecret,
    /// What is told of who holds the access token is about somebody else.
    OtherPerson,
}

/// A provider of OpenID Connect that signs in whom the test says, or does what it should not.
pub struct Provider {
    address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    issuer: String,
    key: SigningKey,
    unpublished: SigningKey,
    people: Mutex<BTreeMap<String, Map<String, Value>>>,
    codes: Mutex<HashMap<String, Issued>>,
    holders: Mutex<HashMap<String, Map<String, Value>>>,
    fault: Mutex<Option<Fault>>,
    /// How often each path was asked for.
    asked: Mutex<BTreeMap<String, u32>>,
    now: Mutex<Option<i64>>,
    given: AtomicU64,
}

struct Issued {
    nonce: Option<String>,
    challenge: String,
    redirect_uri: String,
    person: Map<String, Value>,
}

type Parameters = BTreeMap<String, String>;

impl Provider {
    /// Listens on a free port until the process ends. Nobody is known yet.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let key = || SigningKey::generate().expect("there is chance");
        let inner = Arc::new(Inner {
            issuer: format!("http://{address}"),
            key: key(),
            unpublished: key(),
            people: Mutex::default(),
            codes: Mutex::default(),
            holders: Mutex::default(),
            fault: Mutex::default(),
            asked: Mutex::default(),
            now: Mutex::default(),
            given: AtomicU64::new(1),
        });
        let serving = inner.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let inner = serving.clone();
                std::thread::spawn(move || {
                    // A client that leaves in the middle is its own affair.
                    let _left = inner.serve(&connection);
                });
            }
        });
        Self { address, inner }
    }

    /// Its issuer.
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Signs `name` in from now on (the first name where a request gives no `login_hint`), with these claims.
    pub fn knows(&self, name: &str, claims: &Value) {
        let claims = claims.as_object().expect("claims are an object").clone();
        self.inner.people.lock().unwrap().insert(name.to_owned(), claims);
    }

    /// What it does wrong from now on.
    pub fn does(&self, fault: Option<Fault>) {
        *self.inner.fault.lock().unwrap() = fault;
    }

    /// The moment that its tokens are made at, in seconds since 1970; the machine's without it.
    pub fn at(&self, now: i64) {
        *self.inner.now.lock().unwrap() = Some(now);
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> u32 {
        self.inner.asked.lock().unwrap().get(path).copied().unwrap_or(0)
    }

    /// What a browser does at the address of an authorization: gives where it is sent back to.
    pub fn visit(&self, way: &str) -> String {
        let way = Url::parse(way).expect("the way out is an address");
        assert_eq!(way.origin().ascii_serialization(), self.inner.issuer);
        self.inner.authorize(&way.query_pairs().into_owned().collect())
    }

    /// An ID token for `name`, as a device of theirs gets it.
    pub fn id_token(&self, name: &str, nonce: Option<&str>) -> String {
        let person = self.inner.people.lock().unwrap().get(name).expect("somebody known").clone();
        self.inner.token(&person, nonce, None)
    }
}

impl Inner {
    fn has(&self, fault: Fault) -> bool {
        *self.fault.lock().unwrap() == Some(fault)
    }

    fn serve(&self, connection: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(connection);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim_end().is_empty() {
                break;
            }
            lines.push(line.trim_end().to_owned());
        }
        let header = |name: &str| {
            lines.iter().filter_map(|line| line.split_once(": ")).find(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let length = header("content-length").map_or(0, |(_, length)| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let target = lines[0].split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        *self.asked.lock().unwrap().entry(path.to_owned()).or_default() += 1;
        let authorization = header("authorization").map(|(_, value)| value.to_owned());
        let mut writer = connection;
        match self.answer(path, query, &body, authorization) {
            Some((status, headers, body)) => writer.write_all(
                format!(
                    "HTTP/1.1 {status} x\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                )
                .as_bytes(),
            ),
            None => {
                std::thread::park_timeout(Duration::from_secs(60));
                Ok(())
            }
        }
    }

    fn answer(
        &self,
        path: &str,
        query: &str,
        body: &[u8],
        authorization: Option<String>,
    ) -> Option<(u16, String, String)> {
        let fine = |body: Value| Some((200, "Content-Type: application/json\r\n".to_owned(), body.to_string()));
        let is_backchannel = path != "/authorize";
        match *self.fault.lock().unwrap() {
            Some(Fault::Silent) if is_backchannel => return None,
            Some(Fault::Broken) if is_backchannel => return Some((500, String::new(), "{}".to_owned())),
            Some(Fault::Huge) if is_backchannel => return Some((200, String::new(), "x".repeat(4 << 20))),
            Some(Fault::Redirects) if is_backchannel => {
                return Some((302, format!("Location: {}/elsewhere\r\n", self.issuer), String::new()));
            }
            _ => {}
        }
        match path {
            "/.well-known/openid-configuration" => fine(self.document()),
            "/keys" => fine(self.keys()),
            "/authorize" => {
                let place = self.authorize(&form_urlencoded::parse(query.as_bytes()).into_owned().collect());
                Some((302, format!("Location: {place}\r\n"), String::new()))
            }
            "/token" => Some(match self.grant(&form_urlencoded::parse(body).into_owned().collect(), authorization) {
                Ok(granted) => (200, String::new(), granted.to_string()),
                Err((status, error)) => (status, String::new(), json!({"error": error}).to_string()),
            }),
            "/userinfo" => {
                let token = authorization.unwrap_or_default();
                let holders = self.holders.lock().unwrap();
                let mut person = holders.get(token.strip_prefix("Bearer ").unwrap_or_default()).cloned()?;
                if self.has(Fault::OtherPerson) {
                    person.insert("sub".to_owned(), "somebody else".into());
                }
                fine(Value::Object(person))
            }
            _ => Some((404, String::new(), String::new())),
        }
    }

    /// Text that was never given before.
    fn fresh(&self, what: &str) -> String {
        format!("{what}-{}", self.given.fetch_add(1, Ordering::Relaxed))
    }

    fn document(&self) -> Value {
        let issuer = &self.issuer;
        let named = if self.has(Fault::OtherDocument) { "https://idp.example.com" } else { issuer };
        let token = if self.has(Fault::OpenDocument) { "http://idp.example.com" } else { issuer };
        json!({
            "issuer": named,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{token}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "authorization_response_iss_parameter_supported": true,
        })
    }

    fn keys(&self) -> Value {
        let mut keys = vec![self.key.public().unwrap()];
        if self.has(Fault::PublishedSecret) {
            keys = vec![json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode([7; 32])})];
        }
        json!({ "keys": keys })
    }

    fn authorize(&self, given: &Parameters) -> String {
        let of = |name: &str| given.get(name).map(String::as_str).unwrap_or_default();
        let mut place = Url::parse(of("redirect_uri")).expect("a place to come back to");
        assert_eq!((of("response_type"), of("client_id")), ("code", CLIENT_ID));
        assert!(of("scope").split(' ').any(|scope| scope == "openid"), "{given:?}");
        assert_eq!((of("code_challenge_method"), of("code_challenge").len()), ("S256", 43));
        assert!(of("state").len() >= 32 && of("nonce").len() >= 32);
        if of("prompt") == "none" {
            place.query_pairs_mut().append_pair("error", "access_denied").append_pair("error_description", "Not today");
        } else {
            let code = self.fresh("code");
            let people = self.people.lock().unwrap();
            let person = people.get(of("login_hint")).or_else(|| people.values().next()).expect("somebody known");
            let issued = Issued {
                nonce: given.get("nonce").cloned(),
                challenge: of("code_challenge").to_owned(),
                redirect_uri: of("redirect_uri").to_owned(),
                person: person.clone(),
            };
            place.query_pairs_mut().append_pair("code", &code);
            self.codes.lock().unwrap().insert(code, issued);
        }
        let issuer = match *self.fault.lock().unwrap() {
            Some(Fault::OtherIssuerInCallback) => Some("https://idp.example.com"),
            Some(Fault::NoIssuerInCallback) => None,
            _ => Some(self.issuer.as_str()),
        };
        let mut pairs = place.query_pairs_mut();
        pairs.append_pair("state", of("state"));
        if let Some(issuer) = issuer {
            pairs.append_pair("iss", issuer);
        }
        drop(pairs);
        place.into()
    }

    fn grant(&self, given: &Parameters, authorization: Option<String>) -> Result<Value, (u16, &'static str)> {
        let of = |name: &str| given.get(name).map(String::as_str).unwrap_or_default();
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = STANDARD.encode(format!("{}:{}", encoded(CLIENT_ID), encoded(CLIENT_SECRET)));
        if authorization != Some(format!("Basic {basic}")) {
            return Err((401, "invalid_client"));
        }
        let issued = self.codes.lock().unwrap().remove(of("code")).ok_or((400, "invalid_grant"))?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(of("code_verifier")));
        let is_right = challenge == issued.challenge && of("redirect_uri") == issued.redirect_uri;
        if !is_right || of("grant_type") != "authorization_code" || self.has(Fault::Refuses) {
            return Err((400, "invalid_grant"));
        }
        let access_token = self.fresh("access");
        let nonce = issued.nonce.as_deref();
        let id_token = self.token(&issued.person, nonce, Some(&access_token));
        self.holders.lock().unwrap().insert(access_token.clone(), issued.person);
        let mut granted = json!({
            "access_token": access_token,
            "refresh_token": "refresh-of-the-provider",
            "token_type": "Bearer",
            "expires_in": 3600,
            "id_token": id_token,
        });
        if self.has(Fault::NoToken) {
            granted.as_object_mut().unwrap().remove("id_token");
        }
        Ok(granted)
    }

    fn token(&self, person: &Map<String, Value>, nonce: Option<&str>, access_token: Option<&str>) -> String {
        let machine = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let now = self.now.lock().unwrap().unwrap_or_else(|| i64::try_from(machine()).unwrap());
        let mut claims = person.clone();
        // What is told only who asks for it with the access token.
        if let Some(Value::Bool(true)) = claims.remove("tells_later") {
            claims.retain(|name, _| name == "sub");
        }
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("iss", self.issuer.as_str().into());
        put("aud", CLIENT_ID.into());
        put("iat", now.into());
        put("exp", (now + 300).into());
        if let Some(nonce) = nonce {
            put("nonce", nonce.into());
        }
        if let Some(token) = access_token {
            let digest = Sha256::digest(token);
            put("at_hash", URL_SAFE_NO_PAD.encode(&digest[..16]).into());
        }
        match *self.fault.lock().unwrap() {
            Some(Fault::OtherNonce) => put("nonce", "another".into()),
            Some(Fault::NoNonce) => claims.remove("nonce"),
            Some(Fault::OtherAudience) => put("aud", "another".into()),
            Some(Fault::FurtherAudience) => put("aud", json!([CLIENT_ID, "another"])),
            Some(Fault::OtherParty) => put("azp", "another".into()),
            Some(Fault::OtherIssuer) => put("iss", "https://idp.example.com".into()),
            Some(Fault::Expired) => put("exp", (now - 60).into()),
            Some(Fault::Future) => put("iat", (now + 120).into()),
            Some(Fault::NoSubject) => claims.remove("sub"),
            Some(Fault::OtherHash) => put("at_hash", "AAAAAAAAAAAAAAAAAAAAAA".into()),
            _ => None,
        };
        self.sign(&claims)
    }

    fn sign(&self, claims: &Map<String, Value>) -> String {
        let honest = self.key.sign(claims).unwrap();
        let by_another = || self.unpublished.sign(claims).unwrap();
        let payload = honest.split('.').nth(1).unwrap_or_default().to_owned();
        // With a signature that is over another header: nothing that a header says may lead to a key that it fits.
        let under = |header: Value| {
            let signed = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header.to_string()));
            let signature = by_another().rsplit('.').next().unwrap_or_default().to_owned();
            format!("{signed}.{signature}")
        };
        match *self.fault.lock().unwrap() {
            Some(Fault::Unsigned) => format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#)),
            Some(Fault::SignedWithPublicKey) => {
                let public = self.key.public().unwrap();
                identity::mint(&base::Secret::new(public["x"].as_str().unwrap()), false, claims).unwrap()
            }
            Some(Fault::PublishedSecret) => {
                identity::mint(&base::Secret::new(URL_SAFE_NO_PAD.encode([7; 32])), true, claims).unwrap()
            }
            Some(Fault::UnknownKey) => by_another(),
            Some(Fault::ForgedKey) => under(json!({"alg": "ES256", "kid": self.key.id()})),
            Some(Fault::OwnKey) => under(json!({
                "alg": "ES256",
                "kid": self.unpublished.id(),
                "jwk": self.unpublished.public().unwrap(),
                "jku": format!("{}/elsewhere", self.issuer),
                "x5u": format!("{}/elsewhere", self.issuer),
            })),
            _ => honest,
        }
    }
}
