//! What goes wrong with one request, drawn before it is looked at.

use std::time::Duration;

use shardwise_demo::rng::Rng;

use crate::Service;

/// What is done to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It arrives later.
    Delay(Duration),
    /// Its answer arrives later.
    SlowAnswer(Duration),
    /// The connection is reset, and the request goes nowhere.
    Reset,
    /// The request is applied, and its answer lost.
    LostAnswer,
    /// The client is told nothing; the request is applied when it has given up.
    LateApply(Duration),
    /// The service fails with this status, without having applied it.
    ServerError(u16, Page),
    /// The service has had too much.
    Throttled(&'static str),
    /// Half of the answer arrives, then the connection is closed.
    CutAnswer,
}

/// What a server that fails writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Nothing.
    Empty,
    /// What a load balancer shows to people.
    Html,
    /// The service's own words.
    Json,
}

const TABLE_ERRORS: [&str; 3] =
    ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"];
const READ_ERRORS: [&str; 1] = ["ProvisionedThroughputExceededException"];
const CONTROL_ERRORS: [&str; 1] = ["LimitExceededException"];
const STATUSES: [u16; 3] = [500, 502, 503];

impl Fault {
    /// The names of all kinds, in the order in which they are shown.
    pub const KINDS: [&str; 8] = [
        "delay",
        "slow answer",
        "reset",
        "lost answer",
        "late apply",
        "server error",
        "throttled",
        "cut answer",
    ];

    /// Draws one for a request, for daemons of this failover time.
    pub fn draw(rng: &mut Rng, service: Service, operation: &str, failover: Duration) -> Self {
        match rng.below(8) {
            0 => Self::Delay(between(rng, failover / 20, failover)),
            1 => Self::SlowAnswer(between(rng, failover / 2, failover * 3)),
            2 => Self::Reset,
            3 => Self::LostAnswer,
            4 => Self::LateApply(between(rng, Duration::from_secs(1), Duration::from_secs(30))),
            5 => {
                let status = STATUSES[rng.index(STATUSES.len())];
                let pages = [Page::Empty, Page::Html, Page::Json];
                Self::ServerError(status, pages[rng.index(pages.len())])
            }
            6 => {
                let errors = throttling(service, operation);
                Self::Throttled(errors[rng.index(errors.len())])
            }
            _ => Self::CutAnswer,
        }
    }

    /// Its kind's name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        let index = match self {
            Self::Delay(_) => 0,
            Self::SlowAnswer(_) => 1,
            Self::Reset => 2,
            Self::LostAnswer => 3,
            Self::LateApply(_) => 4,
            Self::ServerError(..) => 5,
            Self::Throttled(_) => 6,
            Self::CutAnswer => 7,
        };
        Self::KINDS[index]
    }
}

/// By which names a service turns away who asks too often.
fn throttling(service: Service, operation: &str) -> &'static [&'static str] {
    match service {
        Service::DynamoDb => &TABLE_ERRORS,
        Service::Kinesis if matches!(operation, "GetRecords" | "GetShardIterator") => &READ_ERRORS,
        Service::Kinesis => &CONTROL_ERRORS,
    }
}

fn between(rng: &mut Rng, from: Duration, to: Duration) -> Duration {
    let width = u64::try_from((to - from).as_millis()).expect("at most half a minute");
    from + Duration::from_millis(rng.below(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILOVER: Duration = Duration::from_secs(2);

    fn draws() -> Vec<Fault> {
        let mut rng = Rng::new(7);
        (0..2_000)
            .map(|_| Fault::draw(&mut rng, Service::DynamoDb, "UpdateItem", FAILOVER))
            .collect()
    }

    #[test]
    fn every_kind_is_drawn_and_the_same_seed_draws_the_same() {
        let faults = draws();
        for kind in Fault::KINDS {
            assert!(faults.iter().any(|fault| fault.kind() == kind), "{kind}");
        }
        assert_eq!(faults, draws());
    }

    #[test]
    fn slow_answers_take_half_to_three_failover_times_and_late_ones_up_to_half_a_minute() {
        for fault in draws() {
            if let Fault::SlowAnswer(time) = fault {
                assert!((FAILOVER / 2..FAILOVER * 3).contains(&time), "{time:?}");
            }
            if let Fault::LateApply(time) = fault {
                assert!((1..30).contains(&time.as_secs()), "{time:?}");
            }
        }
    }

    #[test]
    fn a_service_throttles_in_its_own_words() {
        assert!(throttling(Service::DynamoDb, "Scan").contains(&"RequestLimitExceeded"));
        assert_eq!(throttling(Service::Kinesis, "ListShards"), CONTROL_ERRORS);
        assert_eq!(throttling(Service::Kinesis, "GetRecords"), READ_ERRORS);
    }
}
