# What there is to do; `just` lists it. Every recipe is one command that works without just, too.

default:
    @just --list

# Build everything
build:
    cargo build --workspace --all-targets

# Serve the example on http://127.0.0.1:8000
serve:
    cargo run --release -p pando -- serve --config examples/climbing

# Everything that is tested; arguments go to cargo test: just test -p plan
test *arguments:
    scripts/test {{ arguments }}

# What has to pass before a change lands
ci:
    bash .ci/run

# Speed, beside whatever of its rivals the machine has: just bench --check tells what got slower
bench *arguments:
    bench/run {{ arguments }}

# An attack, with what it does: just siege overload
siege name *arguments:
    bench/siege-{{ name }} {{ arguments }}

# Write generated files anew: recorded SQL, reference pages, docs/conformance.md, tests/equality. Read the diff.
bless:
    cargo test -p sql -p contract -- --ignored bless
    cargo test -p telemetry -p pando -- --ignored bless
    cargo test -p store --test equality -- --ignored bless

# Format everything
fmt:
    cargo fmt --all
