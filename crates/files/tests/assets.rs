//! Names with content hashes, over a whole folder.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::collections::BTreeMap;
use std::path::Path;

use files::assets::{AssetsError, HashedAssets, hash};
use files::{Settings, Site};

const MOST: usize = 1_000;

/// What the folder has in it at the beginning.
const SITE: &[(&str, &str)] = &[
    (
        "index.html",
        "<!doctype html>\n<link rel=stylesheet href=css/app.css>\n<link rel=manifest href=/site.webmanifest>\n\
         <script type=module src=\"/js/app.js\"></script>\n<img src='img/logo.png' srcset=\"img/logo.png 1x, img/logo@2x.png 2x\">\n\
         <a href=https://example.com/img/logo.png>elsewhere</a> <a href=guide/>guide</a>\n",
    ),
    ("guide/index.html", "<img src=../img/logo.png><script src=/js/app.js></script>\n"),
    (
        "css/app.css",
        "@import 'base.css';\nbody { background: url(../img/logo.png) }\n@font-face { src: url('../font/a.woff2?#x') }\n",
    ),
    ("css/base.css", "html { color: black }\n"),
    (
        "js/app.js",
        "import { open } from './menu.js';\nopen('/img/logo.png', 'img/logo.png');\n//# sourceMappingURL=app.js.map\n",
    ),
    ("js/app.js.map", "{\"version\":3,\"file\":\"app.js\",\"sources\":[\"../src/app.ts\"]}"),
    ("js/menu.js", "import { close } from './door.js';\nexport const open = close;\n"),
    ("js/door.js", "import { open } from './menu.js';\nexport const close = () => open;\n"),
    ("js/vendor-BxY12abc.js", "import './menu.js';\n"),
    ("site.webmanifest", "{\"name\":\"Gym\",\"icons\":[{\"src\":\"/img/logo.png\",\"sizes\":\"192x192\"}]}\n"),
    ("sw.js", "importScripts('/js/menu.js');\n"),
    ("robots.txt", "User-agent: *\n"),
    ("img/logo.png", "not really a picture"),
    ("img/logo@2x.png", "nor this"),
    ("font/a.woff2", "nor this a font"),
    (".well-known/security.txt", "Contact: mailto:a@example.com\n"),
    (".git/config", "secret"),
];

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

fn read(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            files.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    files
}

struct Stage(tempfile::TempDir);

impl Stage {
    fn new(files: &[(&str, &str)]) -> Self {
        let stage = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(stage.path("public")).unwrap();
        write(&stage.path("public"), files);
        stage
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn hash(&self) -> Result<HashedAssets, AssetsError> {
        hash(&self.path("public"), &self.path("dist"), MOST)
    }

    fn dist(&self) -> BTreeMap<String, String> {
        read(&self.path("dist"))
    }
}

#[test]
fn a_whole_site() {
    let stage = Stage::new(SITE);
    let hashed = stage.hash().unwrap();
    let name = |plain: &str| hashed.names[plain].clone();
    let last = |plain: &str| name(plain).rsplit('/').next().unwrap().to_owned();

    let named: Vec<&str> = hashed.names.keys().map(String::as_str).collect();
    let expected = [
        "css/app.css",
        "css/base.css",
        "font/a.woff2",
        "img/logo.png",
        "img/logo@2x.png",
        "js/app.js",
        "js/app.js.map",
        "js/door.js",
        "js/menu.js",
    ];
    assert_eq!(named, expected);
    assert_eq!(hashed.circles, [["js/door.js", "js/menu.js"]]);
    assert!(hashed.left_alone.is_empty() && hashed.passed_over.is_empty());

    let dist = stage.dist();
    assert!(!dist.keys().any(|name| name.contains(".git")));
    for (plain, hashed) in &hashed.names {
        assert_eq!(dist[plain], dist[hashed], "{plain}");
    }
    let logo = name("img/logo.png");
    assert_eq!(
        dist["index.html"],
        format!(
            "<!doctype html>\n<link rel=stylesheet href={}>\n<link rel=manifest href=/site.webmanifest>\n\
             <script type=module src=\"/{}\"></script>\n<img src='{logo}' srcset=\"{logo} 1x, {} 2x\">\n\
             <a href=https://example.com/img/logo.png>elsewhere</a> <a href=guide/>guide</a>\n",
            name("css/app.css"),
            name("js/app.js"),
            name("img/logo@2x.png")
        )
    );
    assert_eq!(dist["guide/index.html"], format!("<img src=../{logo}><script src=/{}></script>\n", name("js/app.js")));
    assert_eq!(
        dist["css/app.css"],
        format!(
            "@import '{}';\nbody {{ background: url(../{logo}) }}\n@font-face {{ src: url('../{}?#x') }}\n",
            last("css/base.css"),
            name("font/a.woff2")
        )
    );
    assert_eq!(
        dist["js/app.js"],
        format!(
            "import {{ open }} from './{}';\nopen('/{logo}', 'img/logo.png');\n//# sourceMappingURL={}\n",
            last("js/menu.js"),
            last("js/app.js.map")
        )
    );
    assert!(dist["js/menu.js"].contains(&last("js/door.js")) && dist["js/door.js"].contains(&last("js/menu.js")));
    // What has a hash already keeps its content, or its name would lie.
    assert_eq!(dist["js/vendor-BxY12abc.js"], "import './menu.js';\n");
    assert!(dist["site.webmanifest"].contains(&format!("\"/{logo}\"")));
    assert_eq!(dist["sw.js"], format!("importScripts('/{}');\n", name("js/menu.js")));
    assert_eq!(dist["robots.txt"], "User-agent: *\n");
    let list: BTreeMap<String, String> = serde_json::from_str(&dist[".assets.json"]).unwrap();
    assert_eq!(list, hashed.names);

    // The input is as it was.
    let before: BTreeMap<String, String> =
        SITE.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    assert_eq!(read(&stage.path("public")), before);
}

#[test]
fn every_reference_of_the_output_leads_to_a_file() {
    let stage = Stage::new(SITE);
    stage.hash().unwrap();
    let dist = stage.dist();
    // Whatever has a hash in it anywhere is the name of a file.
    let is_part = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '@' | '_');
    let mut seen = 0;
    for (name, text) in dist.iter().filter(|(name, _)| !name.starts_with(".assets")) {
        for word in text.split(|it| !is_part(it)) {
            let has_hash =
                word.split('.').any(|part| part.len() == 16 && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
            if has_hash {
                seen += 1;
                assert!(dist.keys().any(|known| known.rsplit('/').next() == Some(word)), "{name}: {word}");
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn a_change_reaches_what_depends_on_it() {
    let stage = Stage::new(SITE);
    let before = stage.hash().unwrap().names;
    let changed = |name: &str, content: &str| -> Vec<String> {
        write(&stage.path("public"), &[(name, content)]);
        let after = stage.hash().unwrap().names;
        before.iter().filter(|(plain, hashed)| after[*plain] != **hashed).map(|(plain, _)| plain.clone()).collect()
    };
    assert_eq!(changed("img/logo.png", "another"), ["css/app.css", "img/logo.png", "js/app.js"]);
    assert_eq!(changed("img/logo.png", "not really a picture"), [""; 0]);
    // One file of a circle changes the names of all.
    assert_eq!(changed("js/door.js", "import { open } from './menu.js';\n"), ["js/app.js", "js/door.js", "js/menu.js"]);
}

#[test]
fn a_second_time_changes_nothing() {
    let stage = Stage::new(SITE);
    let first = stage.hash().unwrap();
    let dist = stage.dist();
    assert_eq!(stage.hash().unwrap(), first);
    assert_eq!(stage.dist(), dist);
    // Nor does the output as input: what has a hash is found under the name that it would get.
    std::fs::rename(stage.path("dist"), stage.path("again")).unwrap();
    std::fs::remove_dir_all(stage.path("public")).unwrap();
    std::fs::rename(stage.path("again"), stage.path("public")).unwrap();
    std::fs::remove_file(stage.path("public/.assets.json")).unwrap();
    let second = stage.hash().unwrap();
    let acyclic = |hashed: &HashedAssets| {
        let is_of_circle = |name: &str| ["js/app.js", "js/door.js", "js/menu.js"].contains(&name);
        hashed.names.clone().into_iter().filter(|(name, _)| !is_of_circle(name)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(acyclic(&second), acyclic(&first));
}

#[test]
fn what_is_written_over() {
    let stage = Stage::new(&[("a.css", "a{}"), ("b.css", "b{}")]);
    stage.hash().unwrap();
    // What is gone from the folder is gone from the output.
    std::fs::remove_file(stage.path("public/b.css")).unwrap();
    stage.hash().unwrap();
    assert_eq!(stage.dist().len(), 3);
    assert_eq!(std::fs::read_dir(stage.0.path()).unwrap().count(), 2, "nothing is left beside it");
    // A folder of somebody else's is left alone, and so is the input.
    std::fs::remove_file(stage.path("dist/.assets.json")).unwrap();
    assert!(matches!(stage.hash(), Err(AssetsError::Output { .. })));
    assert_eq!(stage.dist().len(), 2);
    for to in ["public", "public/dist", "."] {
        let refused = hash(&stage.path("public"), &stage.path(to), MOST);
        assert!(matches!(refused, Err(AssetsError::Output { .. })), "{to}: {refused:?}");
    }
    assert!(matches!(hash(&stage.path("gone"), &stage.path("new"), MOST), Err(AssetsError::Folder(_))));
    assert!(matches!(hash(&stage.path("public"), &stage.path("new"), 0), Err(AssetsError::Folder(_))));
    assert!(!stage.path("new").exists());
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let stage = Stage::new(&[
        ("index.html", "<script src=a.js integrity=sha384-x></script>"),
        ("a.js", "import './b.js'"),
        ("b.js", "1"),
    ]);
    assert!(
        matches!(stage.hash(), Err(AssetsError::Integrity { page, target }) if page == "index.html" && target == "a.js")
    );
    write(&stage.path("public"), &[("a.js", "2")]);
    let hashed = stage.hash().unwrap();
    assert!(stage.dist()["index.html"].contains(&hashed.names["a.js"]));
    // Another content under the name that a file is to get.
    write(&stage.path("public"), &[(hashed.names["b.js"].as_str(), "something else")]);
    assert!(matches!(stage.hash(), Err(AssetsError::Taken { original, .. }) if original == "b.js"));
    // A page that is relative to somewhere else is written as it is.
    let stage = Stage::new(&[("index.html", "<base href=https://a.test/><img src=a.png>"), ("a.png", "")]);
    assert_eq!(stage.hash().unwrap().left_alone, ["index.html"]);
    assert_eq!(stage.dist()["index.html"], "<base href=https://a.test/><img src=a.png>");
}

#[test]
fn what_is_written_is_kept_for_good_by_browsers() {
    let stage = Stage::new(SITE);
    let hashed = stage.hash().unwrap();
    let clock = std::sync::Arc::new(base::SystemClock);
    let (site, _) = Site::open(Settings::new(stage.path("dist")), clock).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let cache_control = |name: &str| {
        let (path, headers) = (format!("/{name}"), http::HeaderMap::new());
        let asked = site.answer(&http::Method::GET, &path, None, &headers);
        let files::Outcome::Answer(answer) = runtime.block_on(asked) else { panic!("{name} is not there") };
        answer.headers["cache-control"].to_str().unwrap().to_owned()
    };
    for (plain, hashed) in &hashed.names {
        assert_eq!(cache_control(hashed), "public, max-age=31536000, immutable", "{hashed}");
        assert_eq!(cache_control(plain), "public, max-age=300, must-revalidate", "{plain}");
    }
    assert!(!matches!(
        runtime.block_on(site.answer(&http::Method::GET, "/.assets.json", None, &http::HeaderMap::new())),
        files::Outcome::Answer(_)
    ));
}
