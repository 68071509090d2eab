//! Why a child is given up.

use std::time::Duration;

use shardwise_core::multilang::Action;

/// What went wrong between us and a child.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// It ended, or closed its stdout.
    #[error("closed its stdout")]
    Closed,
    /// It ended, and something that it started holds its stdout open.
    #[error("has ended, with its stdout held open by a process that it started,")]
    Ended,
    /// It does not read.
    #[error("cannot be written to: {0}")]
    Stdin(std::io::Error),
    /// It takes too long.
    #[error("has not answered for {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// It says that it has done something else, or does not say what.
    #[error("answered {}", response_for(.0.as_deref()))]
    WrongStatus(Option<String>),
    /// It answered `shardEnded` without a checkpoint at the end.
    #[error(
        "answered `shardEnded` without a checkpoint at the shard's end; until it makes one, the \
         child shards cannot start"
    )]
    NoFinalCheckpoint,
    /// It was gone already.
    #[error("was gone already")]
    Gone,
}

/// Why a child is gone, with what is known of its end.
#[derive(Debug, thiserror::Error)]
#[error("child {why} {}{}", at(.during), ended(.status))]
pub(crate) struct ChildFailure {
    why: Broken,
    during: Option<Action>,
    status: Option<String>,
    #[source]
    last_words: Option<LastWords>,
}

/// The end of a child's stderr, on one line: what is in it may have been written by anybody, and
/// may be what the child was handed.
#[derive(Debug, thiserror::Error)]
#[error("its stderr ended with {0:?}")]
struct LastWords(String);

impl ChildFailure {
    /// Of a child whose stderr ended with this.
    pub(crate) fn new(
        why: Broken,
        during: Option<Action>,
        status: Option<String>,
        stderr: String,
    ) -> Self {
        let last_words = Some(stderr).filter(|text| !text.is_empty()).map(LastWords);
        Self { why, during, status, last_words }
    }

    pub(crate) fn gone() -> Self {
        Self { why: Broken::Gone, during: None, status: None, last_words: None }
    }
}

fn response_for(said: Option<&str>) -> String {
    match said {
        Some(action) => format!("for `{action}`"),
        None => "without `responseFor`".to_owned(),
    }
}

fn at(during: &Option<Action>) -> String {
    match during {
        Some(action) => format!("during `{}`", action.name()),
        None => "between two messages".to_owned(),
    }
}

fn ended(status: &Option<String>) -> String {
    status.as_ref().map(|status| format!("; {status}")).unwrap_or_default()
}
