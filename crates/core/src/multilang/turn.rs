//! Whose turn it is: at most one action is out, and a status ends it.

use super::decode::{CheckpointRequest, Line, NoMessage, Stray};
use super::{Action, NO_CHECKPOINTER};

/// Whose turn it is between the daemon and one child.
///
/// The daemon begins an action only when none is out. While one is out the child may ask for
/// checkpoints, one at a time; a status ends it, rightly or wrongly. The child may write whenever
/// it likes: what it wrote before an action began never counts for that action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    out: Option<Action>,
    /// How many actions have begun.
    begun: u64,
    may_checkpoint: bool,
}

/// What to do about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// The action is done.
    Finished(Action),
    /// The action has failed: the child says that it has done another one.
    WrongStatus {
        /// What it was asked to do.
        asked: Action,
        /// What it says that it has done.
        response_for: Option<String>,
    },
    /// Make this checkpoint, then answer it.
    Checkpoint(CheckpointRequest),
    /// Answer this checkpoint with an error's name: none can be made now.
    Refuse(CheckpointRequest, &'static str),
    /// Report a status that nobody waits for, and go on.
    Unasked {
        /// What it says that it has done.
        response_for: Option<String>,
    },
    /// Log a line that does not count.
    Stray(Stray),
}

impl Turn {
    /// The action that is out.
    #[must_use]
    pub fn out(&self) -> Option<Action> {
        self.out
    }

    /// How many actions have begun: whoever hears the child notes it with each line.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// Begins an action.
    ///
    /// # Panics
    ///
    /// When one is out already.
    pub fn begin(&mut self, action: Action) {
        assert_eq!(self.out, None, "an action is out until its status has come");
        self.out = Some(action);
        self.begun += 1;
        self.may_checkpoint = action.may_checkpoint();
    }

    /// Takes the child's next line in, which was heard when so many actions had begun.
    ///
    /// Between two batches a checkpoint is made at once, so that it never covers the next batch;
    /// Java makes it with the next action's checkpointer. One without a place that comes out only
    /// after the next action began is refused for that reason.
    #[must_use]
    pub fn on(&mut self, line: Line, heard: u64) -> Step {
        let is_late = heard < self.begun;
        match line {
            Line::Blank => Step::Nothing,
            Line::Stray(why) | Line::NoMessage(NoMessage { why, .. }) => Step::Stray(why),
            Line::Checkpoint(request)
                if self.may_checkpoint && !(is_late && request.sequence.is_none()) =>
            {
                Step::Checkpoint(request)
            }
            Line::Checkpoint(request) => Step::Refuse(request, NO_CHECKPOINTER),
            Line::Status { response_for } if is_late => Step::Unasked { response_for },
            Line::Status { response_for } => match self.out.take() {
                None => Step::Unasked { response_for },
                Some(asked) if response_for.as_deref() == Some(asked.name()) => {
                    Step::Finished(asked)
                }
                Some(asked) => Step::WrongStatus { asked, response_for },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::decode;
    use super::*;

    fn status(name: &str) -> Line {
        Line::Status { response_for: Some(name.to_owned()) }
    }

    fn checkpoint() -> Line {
        Line::Checkpoint(CheckpointRequest::default())
    }

    /// A line that is heard at once.
    fn hear(turn: &mut Turn, line: Line) -> Step {
        let begun = turn.begun();
        turn.on(line, begun)
    }

    #[test]
    fn the_matching_status_finishes_an_action() {
        let mut turn = Turn::default();
        turn.begin(Action::Initialize);
        assert_eq!(hear(&mut turn, Line::Stray(Stray::Null)), Step::Stray(Stray::Null));
        assert_eq!(hear(&mut turn, status("initialize")), Step::Finished(Action::Initialize));
        assert_eq!(turn.out(), None);
    }

    #[test]
    fn a_status_of_another_action_or_of_none_fails_it() {
        for line in [status("processRecords"), Line::Status { response_for: None }] {
            let mut turn = Turn::default();
            turn.begin(Action::Initialize);
            let Step::WrongStatus { asked, .. } = hear(&mut turn, line) else { panic!() };
            assert_eq!(asked, Action::Initialize);
        }
    }

    #[test]
    fn a_second_status_is_reported_and_does_not_answer_the_next_action() {
        let mut turn = Turn::default();
        turn.begin(Action::ProcessRecords);
        assert_eq!(
            hear(&mut turn, status("processRecords")),
            Step::Finished(Action::ProcessRecords)
        );
        let response_for = Some("processRecords".to_owned());
        assert_eq!(hear(&mut turn, status("processRecords")), Step::Unasked { response_for });
        turn.begin(Action::ProcessRecords);
        assert_eq!(turn.out(), Some(Action::ProcessRecords));
    }

    #[test]
    fn what_was_heard_before_an_action_began_neither_answers_nor_covers_it() {
        let mut turn = Turn::default();
        turn.begin(Action::ProcessRecords);
        let heard = turn.begun();
        assert_eq!(
            turn.on(status("processRecords"), heard),
            Step::Finished(Action::ProcessRecords)
        );
        turn.begin(Action::ProcessRecords);
        let response_for = Some("processRecords".to_owned());
        assert_eq!(turn.on(status("processRecords"), heard), Step::Unasked { response_for });
        assert!(matches!(turn.on(checkpoint(), heard), Step::Refuse(..)));
        let placed = CheckpointRequest { sequence: Some("5".to_owned()), sub_sequence: None };
        let line = Line::Checkpoint(placed.clone());
        assert_eq!(turn.on(line, heard), Step::Checkpoint(placed));
        assert_eq!(turn.out(), Some(Action::ProcessRecords));
    }

    #[test]
    fn checkpoints_are_made_only_where_java_has_a_checkpointer() {
        for (action, may) in [
            (Action::Initialize, false),
            (Action::ProcessRecords, true),
            (Action::ShutdownRequested, true),
            (Action::ShardEnded, true),
            (Action::LeaseLost, false),
        ] {
            let mut turn = Turn::default();
            turn.begin(action);
            let made = matches!(hear(&mut turn, checkpoint()), Step::Checkpoint(_));
            assert_eq!(made, may, "{action:?}");
            let _ = hear(&mut turn, status(action.name()));
            let made_after = matches!(hear(&mut turn, checkpoint()), Step::Checkpoint(_));
            assert_eq!(made_after, may, "after {action:?}");
        }
    }

    #[test]
    fn an_action_of_the_daemon_that_a_child_sends_is_told_of_and_answers_nothing() {
        let mut turn = Turn::default();
        turn.begin(Action::ProcessRecords);
        for line in [
            r#"{"action":"processRecords"}"#,
            r#"{"action":"processRecords","records":[],"millisBehindLatest":0}"#,
            r#"{"action":"leaseLost"}"#,
        ] {
            let line = decode(line.as_bytes());
            assert!(matches!(line, Line::NoMessage(_)), "{line:?}");
            assert!(matches!(hear(&mut turn, line), Step::Stray(_)));
            assert_eq!(turn.out(), Some(Action::ProcessRecords), "the wait goes on");
        }
        let done = decode(br#"{"action":"status","responseFor":"processRecords"}"#);
        assert_eq!(hear(&mut turn, done), Step::Finished(Action::ProcessRecords));
    }

    proptest! {
        #[test]
        fn an_action_ends_with_exactly_one_status(lines in proptest::collection::vec(0..4, 0..40)) {
            let mut turn = Turn::default();
            turn.begin(Action::ProcessRecords);
            let mut statuses = 0;
            for line in lines {
                let step = hear(&mut turn, match line {
                    0 => Line::Blank,
                    1 => checkpoint(),
                    2 => Line::Stray(Stray::NoObject),
                    _ => status("processRecords"),
                });
                statuses += usize::from(line == 3);
                match step {
                    Step::Finished(_) => prop_assert_eq!(statuses, 1),
                    Step::Unasked { .. } => prop_assert!(statuses > 1),
                    Step::Nothing | Step::WrongStatus { .. } | Step::Checkpoint(_)
                    | Step::Refuse(..) | Step::Stray(_) => {}
                }
            }
            prop_assert_eq!(turn.out().is_none(), statuses > 0);
        }
    }
}
