//! Every test.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::chaos;
use crate::conformance;
use crate::counts::Counts;
use crate::demo;
use crate::endpoints::Endpoints;
use crate::fuzz;
use crate::npm;
use crate::package;
use crate::python;
use crate::sim;
use crate::step::{self, Failure, Steps, run_tests, succeed};
use crate::tools::{self, CC, NODE, NPM, PYTHON};
use crate::tree::Tree;

/// A group of tests by the name under which it can be run alone.
struct Group {
    name: &'static str,
    title: &'static str,
    run: fn(&Tree) -> Result<Counts, Failure>,
}

const GROUPS: [Group; 13] = [
    Group { name: "rust", title: "tests in Rust", run: rust },
    Group { name: "fuzz", title: "readers of bytes from outside, fuzzed", run: fuzz::gate },
    Group { name: "sim", title: "simulated workers under faults", run: sim::gate },
    Group { name: "npm", title: "the npm package's tests", run: npm_package },
    Group { name: "static", title: "the static binary", run: package::test_static },
    Group { name: "browser", title: "the daemon's page, asked by web pages", run: browser },
    Group { name: "python", title: "the Python package", run: python_package },
    Group { name: "aggregates", title: "aggregates, by packages of others", run: aggregates },
    Group { name: "clients", title: "the local endpoints, by boto3 and the JS SDK", run: clients },
    Group {
        name: "conformance",
        title: "the local endpoints beside independent implementations",
        run: conformance::test,
    },
    Group { name: "peers", title: "programs that were not written here", run: peers },
    Group {
        name: "click-stream",
        title: "the click-stream sample, into an S3 that was not written here",
        run: demo::test_click_stream,
    },
    Group { name: "chaos", title: "real daemons and children under faults", run: chaos::test },
];

/// Runs all groups, or the one named.
pub(crate) fn test(tree: &Tree, only: Option<&str>) -> Result<ExitCode, String> {
    tools::need(&[CC, NODE, NPM, PYTHON])?;
    if let Some(name) = only
        && !GROUPS.iter().any(|group| group.name == name)
    {
        let names: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
        return Err(format!("no tests are called `{name}`: {}", names.join(", ")));
    }
    let mut steps = Steps::default();
    let is_wanted = |group: &&Group| only.is_none_or(|name| name == group.name);
    for group in GROUPS.iter().filter(is_wanted) {
        let again = format!("cargo xtask test {}", group.name);
        steps.step(group.title, &again, || (group.run)(tree));
    }
    Ok(steps.finish())
}

fn rust(tree: &Tree) -> Result<Counts, Failure> {
    run_tests(&mut tree.cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]))
}

fn npm_package(tree: &Tree) -> Result<Counts, Failure> {
    npm::install_package(tree)?;
    let node = tree.root.join("node");
    let mut sources = tree.command("npm");
    let sources = run_tests(sources.args(["--loglevel=error", "test"]).current_dir(&node));
    step::both(sources, package::test(tree))
}

fn browser(tree: &Tree) -> Result<Counts, Failure> {
    let shardwise = build(tree)?;
    let directory = npm::install(tree, &["crates/daemon/tests/browser"], "browser")?;
    let mut tests = tree.command("node");
    tests
        .current_dir(directory)
        .env("SHARDWISE_BIN", shardwise)
        .env("MISCHIEF", tree.root.join("crates/daemon/tests/children/mischief.py"))
        .args(["--test", "browser.test.mjs"]);
    run_tests(&mut tests)
}

fn python_package(tree: &Tree) -> Result<Counts, Failure> {
    build(tree)?;
    let tests = tree.root.join("python/tests");
    let python = python::virtual_environment(tree, "python", &tests.join("requirements.txt"))?;
    let wheels = python::wheel(tree, &python)?;
    let mut pytest = tree.command(&python);
    pytest
        .current_dir(tests)
        .env("SHARDWISE_WHEELS", wheels)
        .env("SHARDWISE_KCLPY", python::kclpy(tree)?)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    run_tests(&mut pytest)
}

fn clients(tree: &Tree) -> Result<Counts, Failure> {
    succeed(&mut tree.cargo(&[
        "build",
        "--workspace",
        "--locked",
        "--bins",
        "--example",
        "serve",
    ]))?;
    let directory = npm::install(tree, &["crates/local/tests/clients"], "clients")?;
    let requirements = tree.root.join("crates/local/tests/clients/requirements.txt");
    let python = python::virtual_environment(tree, "clients", &requirements)?;
    let endpoints = Endpoints::start(&tree.built("debug", "shardwise"))?;
    let short = Endpoints::start_short(&tree.built("debug", "examples/serve"))?;
    let against = |command: &mut Command| {
        command
            .current_dir(&directory)
            .env("KINESIS_ENDPOINT", &endpoints.kinesis)
            .env("KINESIS_SHORT_ENDPOINT", &short.kinesis)
            .env("DYNAMODB_ENDPOINT", &endpoints.dynamodb);
        run_tests(command)
    };
    // Both run, whatever comes of the first.
    let boto3 =
        against(tree.command(python).args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]));
    let sdk = against(tree.command("node").args(["--test", "sdk.test.mjs"]));
    step::both(boto3, sdk)
}

fn aggregates(tree: &Tree) -> Result<Counts, Failure> {
    succeed(&mut tree.cargo(&["build", "--workspace", "--locked", "--example", "user_records"]))?;
    let tests = "crates/core/tests/aggregates";
    let directory = npm::install(tree, &[tests], "aggregates")?;
    let requirements = tree.root.join(tests).join("requirements.txt");
    let python = python::virtual_environment(tree, "aggregates", &requirements)?;
    let user_records = tree.built("debug", "examples/user_records");
    let with_ours = |command: &mut Command| {
        run_tests(command.current_dir(&directory).env("USER_RECORDS", &user_records))
    };
    let pypi =
        with_ours(tree.command(python).args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]));
    let npm = with_ours(tree.command("node").args(["--test", "aggregates.test.mjs"]));
    step::both(pypi, npm)
}

fn peers(tree: &Tree) -> Result<Counts, Failure> {
    let shardwise = build(tree)?;
    let programs = ["demo/consumer", "demo/peers"];
    let peers = npm::install(tree, &programs, "peers")?;
    let alias = npm::install_alias(tree, &programs)?;
    let kclpy = python::kclpy(tree)?;
    let mut tests =
        tree.cargo(&["test", "--workspace", "--locked", "--test", "peers", "--no-fail-fast"]);
    tests
        .env("SHARDWISE_BIN", shardwise)
        .env("SHARDWISE_PEERS", peers)
        .env("SHARDWISE_ALIAS", alias)
        .env("SHARDWISE_KCLPY", kclpy);
    run_tests(&mut tests)
}

/// The daemon's binary, built as `cargo test` builds it.
fn build(tree: &Tree) -> Result<PathBuf, String> {
    succeed(&mut tree.cargo(&["build", "--workspace", "--locked"]))?;
    Ok(tree.built("debug", "shardwise"))
}
