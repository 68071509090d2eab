//! The static binary where there is nothing else: as in an image made `FROM scratch`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use super::{at, copy, empty, statically};
use crate::counts::Counts;
use crate::step::{Failure, Steps, succeed};
use crate::tree::Tree;

/// What the image has beside the binary.
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
const PROPERTIES: &str = "executableName = /child\nstreamName = s\napplicationName = app\n\
                          AWSCredentialsProvider = EnvironmentVariableCredentialsProvider\n\
                          regionName = us-east-1\nretrievalMode = POLLING\n";
/// How long the daemon may take to start a child, and to stop.
const WITHIN: &str = "60";

/// Runs it there: what it says of itself, what it says of a file, and the daemon with a child.
pub(super) fn check(tree: &Tree, binary: &Path) -> Result<ExitCode, String> {
    let size = fs::metadata(binary).map_err(at(binary))?.len();
    println!("{}: {:.1} MB", binary.display(), size as f64 / 1e6);
    let root = EmptyRoot::with(tree, binary)?;
    let mut steps = Steps::default();
    let again = "cargo xtask package --static --check";
    steps.step("its version", again, || root.says(&["--version"], "static\n"));
    let check = ["config", "check", "/app.properties"];
    steps.step("a properties file", again, || root.says(&check, "kinesis:GetRecords"));
    steps.step("the daemon, with a child", again, || root.daemon());
    Ok(steps.finish())
}

/// A directory that programs see as the whole of the machine.
struct EmptyRoot {
    path: PathBuf,
}

impl EmptyRoot {
    fn with(tree: &Tree, binary: &Path) -> Result<Self, String> {
        let mut cargo = tree.cargo(&["build", "--locked", "--package", "xtask"]);
        statically(tree, cargo.args(["--example", "child"]));
        succeed(&mut cargo)?;
        let child = tree.target.join("static").join(super::TARGET).join("debug/examples/child");

        let path = tree.target.join("package/empty-root");
        empty(&path)?;
        // Docker has /proc and /dev too: the daemon starts itself by the one, and processes with
        // the other's `null`, of which it wants no more than that it is empty.
        for directory in ["proc", "dev", "etc/ssl/certs"] {
            fs::create_dir_all(path.join(directory)).map_err(at(&path))?;
        }
        fs::write(path.join("dev/null"), "").map_err(at(&path))?;
        copy(&Path::new("/").join(CERTIFICATES), &path.join(CERTIFICATES))?;
        copy(binary, &path.join("shardwise"))?;
        copy(&child, &path.join("child"))?;
        let properties = path.join("app.properties");
        fs::write(&properties, PROPERTIES).map_err(at(&properties))?;
        Ok(Self { path })
    }

    /// The binary in there, as the first of all processes, with an end to its time.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        // Without being root outside: it is so in there.
        command.arg(WITHIN).args(["unshare", "--map-root-user", "--pid", "--fork"]);
        command.args(["--kill-child", "--mount-proc"]);
        command.arg("--root").arg(&self.path).arg("/shardwise").args(arguments);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("AWS_ACCESS_KEY_ID", "local").env("AWS_SECRET_ACCESS_KEY", "local");
        command
    }

    fn says(&self, arguments: &[&str], expected: &str) -> Result<Counts, Failure> {
        let output = self.command(arguments).stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| format!("timeout does not start: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        print!("{said}");
        if output.status.success() && said.contains(expected) {
            return Ok(Counts { passed: 1, failed: 0 });
        }
        Err(format!("{}, without saying `{}`", output.status, expected.trim()).into())
    }

    /// Runs the daemon until its child was told of a shard, and then has it stop.
    fn daemon(&self) -> Result<Counts, Failure> {
        let start = Instant::now();
        let daemon = ["daemon", "--local", "--stop-with-stdin", "-p", "/app.properties"];
        let mut command = self.command(&daemon);
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let process = command.spawn();
        let mut process = process.map_err(|error| format!("timeout does not start: {error}"))?;
        let stderr = process.stderr.take().ok_or_else(|| "no stderr".to_owned())?;
        let mut was_told = false;
        // They end with the daemon, and that ends with its time if not before.
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            println!("{line}");
            if !was_told && line.contains("was told to") && line.contains("initialize") {
                println!(
                    "after {:.1} s its child was told of a shard",
                    start.elapsed().as_secs_f32()
                );
                was_told = true;
                drop(process.stdin.take());
            }
        }
        let status = process.wait().map_err(|error| format!("waiting for the daemon: {error}"))?;
        if was_told && status.success() {
            return Ok(Counts { passed: 1, failed: 0 });
        }
        Err(format!("{status}, a child was told of a shard: {was_told}").into())
    }
}
