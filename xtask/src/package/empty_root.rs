//! The static binary where there is nothing else: as in an image made `FROM scratch`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::{STATIC, at, copy, empty};
use crate::counts::Counts;
use crate::step::{self, Failure, succeed};
use crate::tree::Tree;

/// What the image has beside the binary.
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";
const PROPERTIES: &str = "executableName = /child\nstreamName = s\napplicationName = app\n\
                          AWSCredentialsProvider = EnvironmentVariableCredentialsProvider\n\
                          regionName = us-east-1\nretrievalMode = POLLING\n";
/// A name in `/etc/hosts`, and a port that nobody listens on.
const KNOWN: &str = "known.example";
const NOBODYS_PORT: u16 = 9;
/// More than any process in there wants.
const RANDOM_BYTES: usize = 4096;
/// How long the daemon may take to start a child, and to stop.
const WITHIN: &str = "60";

/// Fails where this machine lets nobody make namespaces, with what it says of that.
pub(super) fn possible() -> Result<(), String> {
    let output = unshare().arg("true").output();
    let output = output.map_err(|error| format!("timeout does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("this machine refuses namespaces: {}", said.trim()))
}

/// Runs it there: what it says of itself, what it says of a file, how it looks names up, and the
/// daemon with a child.
pub(super) fn check(tree: &Tree, binary: &Path) -> Result<Counts, Failure> {
    let size = fs::metadata(binary).map_err(at(binary))?.len();
    println!("{}: {:.1} MB", binary.display(), size as f64 / 1e6);
    let root = EmptyRoot::with(tree, binary)?;
    let version = root.says(&["--version"], "static\n");
    let check = root.says(&["config", "check", "/app.properties"], "kinesis:GetRecords");
    let names = root.looks_names_up();
    [check, names, root.daemon()].into_iter().fold(version, step::both)
}

/// Runs a command as the first of all processes, with an end to its time.
fn unshare() -> Command {
    let mut command = Command::new("timeout");
    // Without being root outside: it is so in there.
    command.arg(WITHIN).args(["unshare", "--map-root-user", "--pid", "--fork"]);
    command.args(["--kill-child", "--mount-proc"]);
    command
}

/// A directory that programs see as the whole of the machine.
struct EmptyRoot {
    path: PathBuf,
}

impl EmptyRoot {
    fn with(tree: &Tree, binary: &Path) -> Result<Self, String> {
        let mut cargo = tree.cargo(&["rustc", "--locked", "--package", "xtask"]);
        succeed(cargo.args(["--example", "child"]).args(STATIC))?;
        let child = tree.built("debug", "examples/child");

        let path = tree.target.join("package/empty-root");
        empty(&path)?;
        // Docker has /proc and /dev too: the daemon starts itself by the one, and processes with
        // the other's `null`. Of what is in there it wants no more than that this one is empty,
        // and that the others hold bytes that nobody knows: without a dynamic linker it does not
        // find the C library's function for them.
        for directory in ["proc", "dev", "etc/ssl/certs"] {
            fs::create_dir_all(path.join(directory)).map_err(at(&path))?;
        }
        fs::write(path.join("dev/null"), "").map_err(at(&path))?;
        let mut bytes = [0; RANDOM_BYTES];
        let urandom = Path::new("/dev/urandom");
        File::open(urandom).and_then(|mut it| it.read_exact(&mut bytes)).map_err(at(urandom))?;
        for name in ["dev/random", "dev/urandom"] {
            fs::write(path.join(name), bytes).map_err(at(&path))?;
        }
        fs::write(path.join("etc/hosts"), format!("127.0.0.1 {KNOWN}\n")).map_err(at(&path))?;
        copy(&Path::new("/").join(CERTIFICATES), &path.join(CERTIFICATES))?;
        copy(binary, &path.join("shardwise"))?;
        copy(&child, &path.join("child"))?;
        let properties = path.join("app.properties");
        fs::write(&properties, PROPERTIES).map_err(at(&properties))?;
        Ok(Self { path })
    }

    /// The binary in there.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = unshare();
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

    /// Has it ask an endpoint by name: one from the file of names, one that nobody knows. The C
    /// library has both ways built in, and loads nothing for them.
    fn looks_names_up(&self) -> Result<Counts, Failure> {
        let mut counts = Counts::default();
        for (name, expected) in [
            (KNOWN, "Connection refused"),
            ("unknown.example", "failed to lookup address information"),
        ] {
            let file = "names.properties";
            let text = format!(
                "{PROPERTIES}kinesisEndpoint = http://{name}:{NOBODYS_PORT}\n\
                 shardwise.allowInsecureEndpoint = true\nmaxInitializationAttempts = 1\n\
                 metricsLevel = NONE\n"
            );
            fs::write(self.path.join(file), text).map_err(at(&self.path))?;
            let output = self.command(&["daemon", "-p", &format!("/{file}")]).output();
            let output = output.map_err(|error| format!("timeout does not start: {error}"))?;
            let said = String::from_utf8_lossy(&output.stderr);
            if output.status.code() != Some(3) || !said.contains(expected) {
                let status = output.status;
                return Err(format!("{name}: {status}, without saying {expected}\n{said}").into());
            }
            println!("{name}: {expected}");
            counts += Counts { passed: 1, failed: 0 };
        }
        Ok(counts)
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
