//! What can go wrong before there is a verdict.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// Why a run could not be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program could not be started.
    #[error("`{program}` does not start: {source}")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program ended that should have gone on.
    #[error("`{program}` ended with {status}, its log is {log}", log = log.display())]
    Ended {
        /// Which.
        program: String,
        /// How.
        status: ExitStatus,
        /// Where it says more.
        log: PathBuf,
    },
    /// A program said something that cannot be understood.
    #[error("`{program}` said `{line}`")]
    Said {
        /// Which.
        program: String,
        /// What.
        line: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A call to an endpoint failed.
    #[error("{operation} failed: {text}")]
    Call {
        /// Which call.
        operation: &'static str,
        /// Why.
        text: String,
        /// The service's name for it, if the service answered.
        code: Option<String>,
    },
    /// Something took too long.
    #[error("not within {} s: {what}", within.as_secs())]
    Deadline {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
    },
    /// An environment variable that `cargo xtask` sets is missing.
    #[error("{name} is not set: start this by `cargo xtask {command}`")]
    Environment {
        /// Which.
        name: &'static str,
        /// The command that sets it.
        command: &'static str,
    },
    /// The journals cannot be judged.
    #[error("journals: {0}")]
    Journals(#[from] shardwise_referee::ReadError),
    /// Ctrl-C or SIGTERM.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// A failed call to an endpoint.
    pub fn call<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
        SdkError<E, R>: ProvideErrorMetadata,
    {
        let code = error.code().map(str::to_owned);
        Self::Call { operation, text: DisplayErrorContext(error).to_string(), code }
    }

    /// A file that could not be read or written.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }

    /// Whether a service answered with this error.
    #[must_use]
    pub fn is_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Call { code: Some(code), .. } if code == wanted)
    }
}
