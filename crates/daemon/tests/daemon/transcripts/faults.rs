//! Checkpoints that DynamoDB refuses: what the recorder had before it stands before it here.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::STOPPED;
use super::replay::{FIXTURES, Java, Replay, SHARDS};
use crate::world::{Event, World, until};

const NONE: &str = "none";
const CLOSED: &str = "a closed connection";
const THROTTLING: &str = "ThrottlingException";
const TAKEN: &str = "ConditionalCheckFailedException";

/// `proxy.py`, before a DynamoDB.
struct Proxy {
    process: Child,
    asked: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
}

impl Proxy {
    /// The proxy, and its URL.
    fn start(url: &str) -> (Self, String) {
        let mut command = Command::new("python3");
        command.arg(format!("{FIXTURES}/record-daemon/proxy.py")).arg(url);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let asked = process.stdin.take().unwrap();
        let mut told = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = told.next().unwrap().unwrap();
        (Self { process, asked, told }, url)
    }

    /// From now on this is the answer to every checkpoint.
    fn refuse(&mut self, fault: &str) {
        writeln!(self.asked, "{fault}").unwrap();
        assert_eq!(self.told.next().unwrap().unwrap(), fault);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Two names are others, and both say as Java's do that a later try may go well (ADR 23).
fn ours(fault: &str, line: &str) -> String {
    match fault {
        CLOSED => line.replace("RuntimeException", "KinesisClientLibDependencyException"),
        THROTTLING => line.replace("KinesisClientLibDependencyException", THROTTLING),
        _ => line.to_owned(),
    }
}

/// Java's daemon tries some of these writes nine times, and so does ours. It looks at the row when
/// a condition does not hold, so there the lease is another's indeed.
#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_that_dynamodb_refuses_are_answered_as_java_answers() {
    const FAULTS: [&str; 6] = [
        "InternalServerError",
        CLOSED,
        "ResourceNotFoundException",
        "AccessDeniedException",
        THROTTLING,
        "ProvisionedThroughputExceededException",
    ];
    let (first, last) = ([NONE].as_slice(), [TAKEN].as_slice());
    for (java, faults, then) in [
        (Java::V2_5_8, [first, &FAULTS, first].concat(), STOPPED.as_slice()),
        (Java::V3_5_1, [&FAULTS, last].concat(), &[]),
    ] {
        let mut replay = Replay::new(java, "02b-checkpoint-errors-injected", 1).await;
        let [_, dynamodb] = replay.world.urls();
        let (mut proxy, url) = Proxy::start(&dynamodb);
        let mut at = 0;
        for line in replay.lines(0, 0) {
            at += usize::from(line.contains(r#""action":"processRecords""#));
            let fault = at.checked_sub(1).map_or(NONE, |at| faults[at]);
            *line = ours(fault, line);
        }
        // No renewal comes between: a checkpoint is the first to find that the lease is another's.
        let more = format!("dynamoDBEndpoint = {url}\nfailoverTimeMillis = 60000");
        let daemon = replay.daemon(&more);
        for (batch, fault) in faults.iter().enumerate() {
            if *fault == TAKEN {
                proxy.refuse(NONE);
                replay.world.take_lease_away(SHARDS[0]).await;
            } else {
                proxy.refuse(fault);
            }
            replay.put(0, 0, batch).await;
            replay.until_batch(&daemon, 0, 0, batch + 1).await;
        }
        replay.until_all(&daemon, 0, 0).await;
        proxy.refuse(NONE);
        assert_eq!(daemon.stop().await, 0);
        replay.is_as_recorded(0, 0, then);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_hears_nothing_of_a_checkpoint_that_dynamodb_refuses_for_a_moment() {
    let world = World::new(1).await;
    let [_, dynamodb] = world.urls();
    let (mut proxy, url) = Proxy::start(&dynamodb);
    let daemon = world.daemon("", &format!("dynamoDBEndpoint = {url}\nfailoverTimeMillis = 60000"));
    let mut batches = 0;
    for fault in ["InternalServerError", CLOSED, THROTTLING] {
        let refused = || daemon.log().matches("lease not written").count();
        let before = refused();
        proxy.refuse(fault);
        batches += 1;
        let records = world.put(fault, 1).await;
        world.until_processed(&daemon, &records).await;
        until("refused", async || if refused() > before { Ok(()) } else { Err(daemon.log()) })
            .await;
        proxy.refuse(NONE);
        let made = |journal: &[Event]| journal.iter().filter(|it| it.is("checkpoint")).count();
        let journal = world.until_journal(&daemon, "made", |it| made(it) == batches).await;
        let answers = journal.iter().filter(|event| event.is("checkpoint"));
        let answers: Vec<_> = answers.map(|event| event.value("answer").as_str()).collect();
        assert_eq!(answers, vec![None; batches], "{fault}:\n{}", daemon.log());
    }
    assert_eq!(daemon.stop().await, 0);
}
