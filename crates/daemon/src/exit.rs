//! How the program ends.

use std::process::ExitCode;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Every child ended in order, and every lease was released.
    InOrder,
    /// Configuration, credentials, a missing stream or a refused permission; or a child failed
    /// and the settings say that this ends the daemon.
    Configuration,
    /// The deadline passed, or a second signal came.
    CutShort,
    /// AWS did not answer, or something of our own failed.
    Internal,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::InOrder => 0,
            Exit::Configuration => 1,
            Exit::CutShort => 2,
            Exit::Internal => 3,
        })
    }
}

/// Why the program did not start, or ended early: one line for whoever started it.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Error {
    text: String,
    exit: Exit,
}

impl Error {
    /// Something that whoever started the program can put right.
    pub(crate) fn configuration(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: Exit::Configuration }
    }

    /// Something else.
    pub(crate) fn internal(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: Exit::Internal }
    }

    /// How the program ends with it.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}
