//! Golden cases: requests and the statements that they become.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod requests_support;

use requests_support::{catalog, plan, print, request, statements};

const REQUESTS: &str = include_str!("statements/requests.txt");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/statements/requests.golden");

fn render_all() -> String {
    let catalog = catalog();
    let mut text = String::new();
    for line in REQUESTS.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (head, body) = line.split_once('|').unwrap_or((line, ""));
        let mut parts = head.split(' ');
        let (role, method) = (parts.next().expect("a role"), parts.next().expect("a method"));
        let url: Vec<&str> = parts.collect();
        let request = request(method, &url.join(" ").replace(' ', "%20"), body).expect(line);
        let plan = plan(&catalog, role, &request).expect(line);
        text.push_str(line);
        text.push('\n');
        for (name, statement) in statements(&plan) {
            text.push_str(&print(&name, &statement));
        }
        text.push('\n');
    }
    text
}

#[test]
fn requests_become_the_golden_statements() {
    let golden = std::fs::read_to_string(GOLDEN).expect("the golden file");
    for (ours, theirs) in render_all().lines().zip(golden.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(render_all(), golden);
}

#[test]
#[ignore = "writes the golden file anew; read the difference before you keep it"]
fn bless() {
    std::fs::write(GOLDEN, render_all()).expect("the golden file can be written");
}
