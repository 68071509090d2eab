//! What is handed out: npm packages with the daemon's binary, a static binary for images, and a
//! list of what is in them.

mod empty_root;
mod sbom;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::counts::Counts;
use crate::npm;
use crate::step::{self, Failure, Steps, run_tests, succeed};
use crate::tools::{self, CC, NPM};
use crate::tree::{self, Tree};

const USAGE: &str = "\
cargo xtask package [OPTIONS]

Builds the daemon, and writes to target/package the npm package, the npm package of this platform
with the binary, and a CycloneDX list of the crates that are in it.

  --profile dev|release  how the binary is built (release)
  --glibc VERSION        against that glibc, by cargo-zigbuild: it then runs with any newer one
  --static               without need of any C library
  --check                with --static: runs it in a directory that has nothing else
  --publish              the npm package names those of all platforms, as in the registry;
                         without it only the one that is built here
";

/// What `cargo rustc` has the last crate compiled with. All before it are those of every build.
const STATIC: [&str; 3] = ["--", "-C", "target-feature=+crt-static"];
/// The one machine that packages are built for so far, as rustc names it.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Where the manifests of the platforms' packages are, below the root of the tree.
const MANIFESTS: &str = "node/npm";
/// What the rest of the workspace asks of our crates: cargo would build them once more for the
/// daemon alone.
pub(crate) const SHARED_FEATURES: &str =
    "shardwise/default,shardwise/prometheus,shardwise-local/default";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Profile {
    Dev,
    Release,
}

/// Which C library the binary needs.
enum Libc {
    OfThisMachine,
    Glibc(String),
    Static,
}

/// What is asked for.
struct Plan {
    profile: Profile,
    libc: Libc,
    is_checked: bool,
    is_published: bool,
}

pub(crate) fn package(tree: &Tree, arguments: &[String]) -> Result<ExitCode, String> {
    if arguments.iter().any(|argument| argument == "--help") {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    let plan = Plan::of(arguments)?;
    tools::need(&[CC, NPM])?;
    let binary = write(tree, &plan)?;
    if !plan.is_checked {
        return Ok(ExitCode::SUCCESS);
    }
    let mut steps = Steps::default();
    let again = "cargo xtask package --static --check";
    steps.step("the binary where there is nothing else", again, || {
        empty_root::possible()?;
        empty_root::check(tree, &binary)
    });
    Ok(steps.finish())
}

/// Packs the binary that the other tests use, and runs the packed files.
pub(crate) fn test(tree: &Tree) -> Result<Counts, Failure> {
    write(tree, &Plan::of_dev(Libc::OfThisMachine))?;
    test_packed(tree, &Libc::OfThisMachine)
}

/// The same of the static binary, which also runs where there is nothing else.
pub(crate) fn test_static(tree: &Tree) -> Result<Counts, Failure> {
    let binary = write(tree, &Plan::of_dev(Libc::Static))?;
    // cargo has left it where the other tests have theirs.
    succeed(&mut tree.cargo(&["build", "--workspace", "--locked"]))?;
    let packed = test_packed(tree, &Libc::Static);
    if let Err(refusal) = empty_root::possible() {
        println!("NOT RUN where there is nothing else: {refusal}");
        return packed;
    }
    step::both(packed, empty_root::check(tree, &binary))
}

/// Installs packed files into an empty project, and runs what is there.
fn test_packed(tree: &Tree, libc: &Libc) -> Result<Counts, Failure> {
    let mut node = tree.command("node");
    node.current_dir(tree.root.join("node")).args(["--test", "test/packed/sample.test.js"]);
    node.env("SHARDWISE_PACKAGES", directory(tree)).env("SHARDWISE_PLATFORM", libc.package());
    run_tests(&mut node)
}

fn directory(tree: &Tree) -> PathBuf {
    tree.target.join("package")
}

/// Builds and packs; the binary as it was packed.
fn write(tree: &Tree, plan: &Plan) -> Result<PathBuf, String> {
    let host = tree::host()?;
    if host != TARGET {
        return Err(format!("packages are built on {TARGET} so far, and this is {host}"));
    }
    let built = build(tree, plan)?;
    let out = directory(tree);
    let version = npm::version(&tree.root.join("node/package.json"))?;
    let name = plan.libc.package();
    let own = [name.to_owned()];

    let main = out.join("shardwise");
    let all = names(&tree.root.join(MANIFESTS))?;
    stage_main(tree, &main, &version, if plan.is_published { &all } else { &own })?;
    npm::pack(tree, &main, &out)?;

    let platform = out.join(name);
    let manifest = tree.root.join(MANIFESTS).join(name);
    empty(&platform)?;
    copy(&manifest, &platform)?;
    copy(&tree.root.join("LICENSE"), &platform.join("LICENSE"))?;
    set(&platform.join("package.json"), "version", json!(version))?;
    let binary = platform.join("bin/shardwise");
    fs::create_dir_all(platform.join("bin")).map_err(at(&platform))?;
    copy(&built, &binary)?;
    npm::pack(tree, &platform, &out)?;

    let list = out.join(format!("shardwise-{name}-{version}.cdx.json"));
    let text = format!("{:#}\n", sbom::sbom(tree, TARGET)?);
    fs::write(&list, text).map_err(at(&list))?;
    println!("packages: {}", out.display());
    Ok(binary)
}

/// The main package, which names those of these platforms.
///
/// They are not in `node/package.json`: until they are published, whoever installs from a checkout
/// would ask the registry for names that anybody may take. Nor does a package from a checkout name
/// others than the one beside it: `npm ci` would miss them, and ask for them.
fn stage_main(tree: &Tree, to: &Path, version: &str, platforms: &[String]) -> Result<(), String> {
    let crates = tree.metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    let daemon = crates.iter().find(|package| package["name"] == "shardwise-daemon");
    let daemon = daemon.and_then(|package| package["version"].as_str()).unwrap_or_default();
    if daemon != version {
        return Err(format!("node/package.json has version {version}, Cargo.toml {daemon}"));
    }
    empty(to)?;
    copy(&tree.root.join("node"), to)?;
    let named = |name: &String| (format!("@shardwise/{name}"), json!(version));
    let platforms: Map<_, _> = platforms.iter().map(named).collect();
    set(&to.join("package.json"), "optionalDependencies", Value::Object(platforms))
}

/// Builds the daemon, and says where it is.
fn build(tree: &Tree, plan: &Plan) -> Result<PathBuf, String> {
    let (profile, directory) = match plan.profile {
        Profile::Dev => ("dev", "debug"),
        Profile::Release => ("release", "release"),
    };
    let subcommand = match plan.libc {
        Libc::OfThisMachine => "build",
        Libc::Glibc(_) => "zigbuild",
        Libc::Static => "rustc",
    };
    let mut cargo = tree.cargo(&[subcommand, "--locked", "--package", "shardwise-daemon"]);
    cargo.args(["--bin", "shardwise", "--profile", profile]);
    let target = if let Libc::Glibc(version) = &plan.libc {
        cargo.args(["--target", &format!("{TARGET}.{version}")]);
        tree.target.join(TARGET)
    } else {
        if plan.profile == Profile::Dev {
            cargo.args(["--features", SHARED_FEATURES]);
        }
        tree.target.clone()
    };
    if matches!(plan.libc, Libc::Static) {
        cargo.args(STATIC);
    }
    succeed(&mut cargo)?;
    Ok(target.join(directory).join("shardwise"))
}

impl Libc {
    /// The directory of the package's manifest.
    fn package(&self) -> &'static str {
        match self {
            Self::OfThisMachine | Self::Glibc(_) => "linux-x64-gnu",
            Self::Static => "linux-x64-musl",
        }
    }
}

impl Plan {
    fn of_dev(libc: Libc) -> Self {
        Self { profile: Profile::Dev, libc, is_checked: false, is_published: false }
    }

    fn of(arguments: &[String]) -> Result<Self, String> {
        let mut plan = Self { profile: Profile::Release, ..Self::of_dev(Libc::OfThisMachine) };
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match (word, &plan.libc) {
                ("--profile", _) => {
                    plan.profile = match words.next() {
                        Some("dev") => Profile::Dev,
                        Some("release") => Profile::Release,
                        _ => return Err("--profile is dev or release".to_owned()),
                    }
                }
                ("--static", Libc::OfThisMachine) => plan.libc = Libc::Static,
                ("--glibc", Libc::OfThisMachine) => {
                    let version = words.next().ok_or("--glibc needs a version, such as 2.17")?;
                    plan.libc = Libc::Glibc(version.to_owned());
                }
                ("--static" | "--glibc", _) => {
                    return Err("--static and --glibc: one of them, once".to_owned());
                }
                ("--check", _) => plan.is_checked = true,
                ("--publish", _) => plan.is_published = true,
                _ => return Err(format!("no such option: {word}\n\n{USAGE}")),
            }
        }
        if plan.is_checked && !matches!(plan.libc, Libc::Static) {
            return Err("--check needs --static: nothing else runs without a C library".to_owned());
        }
        Ok(plan)
    }
}

/// Copies a file, or a directory without what npm installed there.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop).map_err(at(from));
    }
    fs::create_dir_all(to).map_err(at(to))?;
    for name in names(from)?.iter().filter(|name| *name != "node_modules") {
        copy(&from.join(name), &to.join(name))?;
    }
    Ok(())
}

/// The names in a directory, in order.
fn names(directory: &Path) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for entry in directory.read_dir().map_err(at(directory))? {
        let name = entry.map_err(at(directory))?.file_name();
        names.push(name.into_string().map_err(|name| format!("{}: no text", name.display()))?);
    }
    names.sort();
    Ok(names)
}

/// Makes a directory, empty even if it was there: of another version's files none is left.
fn empty(directory: &Path) -> Result<(), String> {
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(at(directory))?;
    }
    fs::create_dir_all(directory).map_err(at(directory))
}

/// Sets one field of a file of JSON.
fn set(file: &Path, field: &str, value: Value) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(at(file))?;
    let mut json: Value = serde_json::from_str(&text).map_err(at(file))?;
    json[field] = value;
    fs::write(file, format!("{json:#}\n")).map_err(at(file))
}

/// An error with the file that it is about.
fn at<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> String {
    move |error| format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Result<Plan, String> {
        Plan::of(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_static_binary_is_a_package_of_its_own() {
        assert_eq!(plan("").unwrap().libc.package(), "linux-x64-gnu");
        assert_eq!(plan("--glibc 2.17").unwrap().libc.package(), "linux-x64-gnu");
        let plan = plan("--static --check --profile dev").unwrap();
        assert_eq!(plan.libc.package(), "linux-x64-musl");
        assert!(plan.is_checked && plan.profile == Profile::Dev);
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for line in ["--check", "--static --glibc 2.17", "--glibc", "--profile debug", "--frob"] {
            assert!(plan(line).is_err(), "{line}");
        }
    }
}
