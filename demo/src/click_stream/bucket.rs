//! S3, as moto serves it, and what is in a bucket there, as boto3 sees it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::error::Error;
use crate::program::Program;
use crate::stage::MARK;

const START: Duration = Duration::from_secs(30);

/// A bucket, which whoever writes to it has to create.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// Where S3 is.
    pub(super) url: String,
    /// The bucket's name.
    pub(super) name: &'static str,
    /// A Python that has moto and boto3.
    python: PathBuf,
}

/// An object whose lines are clicks.
#[derive(Debug, Deserialize)]
pub(super) struct Object {
    /// Its key.
    pub(super) key: String,
    /// The id of each click, in the order of lines.
    pub(super) ids: Vec<String>,
}

impl Bucket {
    /// Starts S3 in a process of its own, on a port that is free.
    pub(super) async fn serve(
        python: PathBuf,
        name: &'static str,
        directory: &Path,
    ) -> Result<(Program, Self), Error> {
        let mut command = script(&python, "serve.py");
        command.env(MARK, directory);
        let log = directory.join("s3.log");
        let (program, line) = Program::start_until_ready("S3", &mut command, &log, START).await?;
        Ok((program, Self { url: line.trim().to_owned(), name, python }))
    }

    /// Everything that is in it.
    pub(super) fn objects(&self) -> Result<Vec<Object>, Error> {
        let output = script(&self.python, "objects.py")
            .arg(self.name)
            .env("AWS_ENDPOINT_URL_S3", &self.url)
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .stderr(Stdio::inherit())
            .output();
        let program = || "objects.py".to_owned();
        let output = output.map_err(|source| Error::Start { program: program(), source })?;
        if !output.status.success() {
            let (status, log) = (output.status, "stderr".into());
            return Err(Error::Ended { program: program(), status, log });
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let parse = |line: &str| {
            let said = |_| Error::Said { program: program(), line: line.to_owned() };
            serde_json::from_str(line).map_err(said)
        };
        said.lines().map(parse).collect()
    }
}

fn script(python: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    // Without -B what Python compiles would lie beside the sources.
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("bucket").join(name));
    command
}
