//! Calls that are refused for a while: of everybody for their rate, or of one for who it is.

use std::time::Duration;

use crate::point::{Call, Edge};

/// Which calls are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// All of both services.
    All,
    /// All of the table.
    Table,
    /// All of the stream.
    Stream,
    /// DynamoDB's UpdateItem: takes, renewals, checkpoints, releases.
    UpdateItem,
    /// DynamoDB's PutItem: new leases.
    PutItem,
    /// DynamoDB's DeleteItem: what the cleanup does.
    DeleteItem,
    /// DynamoDB's GetItem.
    GetItem,
    /// DynamoDB's Scan.
    Scan,
    /// Kinesis' GetRecords.
    GetRecords,
    /// Kinesis' GetShardIterator.
    GetShardIterator,
    /// Kinesis' ListShards.
    ListShards,
    /// Kinesis' SubscribeToShard.
    SubscribeToShard,
}

/// Why they are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There are too many of them.
    Throttled,
    /// The credentials have expired, or do not allow it.
    Denied,
}

#[derive(Debug)]
struct Refusal {
    /// Whose; everybody's, if nobody's in particular.
    worker: Option<usize>,
    calls: Calls,
    refused: Refused,
    until: Duration,
}

/// What is refused now.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Vec<Refusal>);

impl Refusals {
    pub(crate) fn add(
        &mut self,
        worker: Option<usize>,
        calls: Calls,
        refused: Refused,
        until: Duration,
    ) {
        self.0.push(Refusal { worker, calls, refused, until });
    }

    /// Whether a worker's call is refused, and why.
    pub(crate) fn of(&self, worker: usize, call: Call, now: Duration) -> Option<Refused> {
        let is_meant = |refusal: &&Refusal| {
            now < refusal.until
                && refusal.worker.is_none_or(|refused| refused == worker)
                && refusal.calls.has(call)
        };
        self.0.iter().find(is_meant).map(|refusal| refusal.refused)
    }

    pub(crate) fn end(&mut self) {
        self.0.clear();
    }
}

impl Calls {
    /// Those of which one alone may be forbidden.
    pub const ONE: [Self; 9] = [
        Self::UpdateItem,
        Self::PutItem,
        Self::DeleteItem,
        Self::GetItem,
        Self::Scan,
        Self::GetRecords,
        Self::GetShardIterator,
        Self::ListShards,
        Self::SubscribeToShard,
    ];

    fn has(self, call: Call) -> bool {
        match self {
            Self::All => true,
            Self::Stream => !Self::Table.has(call),
            Self::Table => {
                let of_rows =
                    [Self::UpdateItem, Self::PutItem, Self::DeleteItem, Self::GetItem, Self::Scan];
                matches!(call, Call::TableState | Call::TableCreate)
                    || of_rows.into_iter().any(|calls| calls.has(call))
            }
            Self::UpdateItem => {
                call.edges().contains(&Edge::Applied)
                    && !Self::PutItem.has(call)
                    && !Self::DeleteItem.has(call)
            }
            Self::PutItem => call == Call::Create,
            Self::DeleteItem => call == Call::Delete,
            Self::GetItem => call == Call::Read,
            Self::Scan => call == Call::Scan,
            Self::GetRecords => call == Call::Records,
            Self::GetShardIterator => call == Call::Iterator,
            Self::ListShards => call == Call::ListShards,
            Self::SubscribeToShard => call == Call::Subscribe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_of_one_service_and_the_rest_of_everything() {
        for call in Call::ALL {
            assert!(Calls::All.has(call));
            assert_ne!(Calls::Table.has(call), Calls::Stream.has(call), "{call:?}");
            let of_one = Calls::ONE.into_iter().filter(|calls| calls.has(call)).count();
            assert!(of_one <= 1, "{call:?}");
        }
        for calls in Calls::ONE {
            assert!(Call::ALL.into_iter().any(|call| calls.has(call)), "{calls:?}");
        }
    }

    #[test]
    fn what_is_refused_of_one_is_not_refused_of_another_and_ends() {
        let [until, soon] = [10, 9].map(Duration::from_secs);
        let mut refusals = Refusals::default();
        refusals.add(Some(1), Calls::UpdateItem, Refused::Denied, until);
        refusals.add(None, Calls::Stream, Refused::Throttled, until);
        assert_eq!(refusals.of(1, Call::Renew, soon), Some(Refused::Denied));
        assert_eq!(refusals.of(0, Call::Renew, soon), None);
        assert_eq!(refusals.of(1, Call::Scan, soon), None);
        assert_eq!(refusals.of(0, Call::Records, soon), Some(Refused::Throttled));
        assert_eq!(refusals.of(0, Call::Records, until), None);
    }
}
