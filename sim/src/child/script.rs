//! What a child does: its work, its checkpoints, and its mischief.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shardwise_referee::Place;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::UnboundedReceiver;

use super::hearing::{Answered, Told, Turn};
use super::words::{self, Ask, NO_PLACES};
use crate::plan::ChildHabits;
use crate::point::{Call, Edge};
use crate::tenure::{End, Tenure, Wish};

/// How long a child waits between two pieces of a line, at most.
const PAUSE: Duration = Duration::from_millis(2);
/// How long after its status a child may do something, at most.
const LATER: Duration = Duration::from_millis(40);
/// How many checkpoints a child may ask for at once.
const STORM: usize = 12;

/// One child.
pub(super) struct Script {
    tenure: Tenure,
    turn: Arc<Mutex<Turn>>,
    stdout: DuplexStream,
    whose: Stdout,
    stderr: DuplexStream,
    told: UnboundedReceiver<Told>,
    answered: UnboundedReceiver<Answered>,
    /// The last that it was handed: where it began, at first.
    handed: Place,
    /// Its last checkpoint: where it began, at first.
    made: Place,
    /// Whether its action is one that has a checkpointer, or its last action was.
    may_checkpoint: bool,
}

/// Whose the stdout is that a script writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stdout {
    /// The script's alone.
    Own,
    /// That of several scripts: a line goes out when it is whole, so it is written at once, or what
    /// its beginning knew of would be known late.
    OfSeveral,
}

/// The child is over.
struct Over;

impl From<std::io::Error> for Over {
    /// Nobody hears it any more.
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

impl Script {
    pub(super) fn new(
        tenure: Tenure,
        turn: Arc<Mutex<Turn>>,
        [stdout, stderr]: [DuplexStream; 2],
        whose: Stdout,
        told: UnboundedReceiver<Told>,
        answered: UnboundedReceiver<Answered>,
    ) -> Self {
        let (handed, made) = (Place::default(), Place::default());
        Self {
            tenure,
            turn,
            stdout,
            whose,
            stderr,
            told,
            answered,
            handed,
            made,
            may_checkpoint: false,
        }
    }

    /// Lives until its stdin ends, or it does.
    pub(super) async fn live(mut self) {
        if self.tenure.happens(self.habits().exit_early) {
            return self.tenure.mark("child: exits before it is told anything");
        }
        while let Some(told) = self.told.recv().await {
            if self.act(told).await.is_err() {
                return;
            }
        }
    }

    fn habits(&self) -> &ChildHabits {
        &self.tenure.world.plan.child_habits
    }

    async fn act(&mut self, told: Told) -> Result<(), Over> {
        let (call, name) = match told {
            Told::Initialize(_) => (Call::Initialize, "initialize"),
            Told::Process(_) => (Call::Process, "processRecords"),
            Told::LeaseLost => (Call::LeaseLost, "leaseLost"),
            Told::ShardEnded => (Call::ShardEnded, "shardEnded"),
            Told::ShutdownRequested => (Call::ShutdownRequested, "shutdownRequested"),
        };
        self.may_checkpoint =
            matches!(told, Told::Process(_) | Told::ShardEnded | Told::ShutdownRequested);
        self.tenure.passes(call, Edge::Before).await;
        self.make_noise().await?;
        if !matches!(told, Told::LeaseLost | Told::ShutdownRequested) {
            let end = self.tenure.work(call).await;
            self.fail(end, name).await?;
        }
        match told {
            Told::Initialize(place) => {
                (self.handed, self.made) = (place.clone(), place);
                self.ask_out_of_turn().await?;
            }
            Told::LeaseLost => self.ask_out_of_turn().await?,
            Told::Process(records) => self.checkpoint_batch(&records).await?,
            Told::ShardEnded => {
                self.handed = Place::ShardEnd;
                if !self.tenure.forgets() {
                    self.checkpoint(vec![Ask::All]).await?;
                }
            }
            Told::ShutdownRequested => self.checkpoint(vec![Ask::All]).await?,
        }
        self.answer(call, name).await?;
        self.go_on_after().await
    }

    /// Ends as it is to end, if that is not well.
    async fn fail(&mut self, end: End, action: &str) -> Result<(), Over> {
        match end {
            End::Well => return Ok(()),
            End::Retry => {
                self.tenure.mark("child: answers for another action");
                let other = if action == "initialize" { "shardEnded" } else { "initialize" };
                Turn::answers(&self.turn);
                self.tenure.done(Some("answers for another action".to_owned()));
                self.say(words::status(other).as_bytes()).await?;
                pending().await
            }
            End::Restart if self.tenure.chooses(500_000) => {
                self.tenure.mark("child: exits in the middle of a line");
                let line = words::status(action);
                self.say(&line.as_bytes()[..line.len() / 2]).await?;
            }
            End::Restart => self.tenure.mark("child: exits in an action"),
            End::Panic => {
                self.tenure.mark("child: never answers");
                pending().await
            }
        }
        Err(Over)
    }

    /// Writes what is no message.
    async fn make_noise(&mut self) -> Result<(), Over> {
        if !self.tenure.chooses(self.habits().noise) {
            return Ok(());
        }
        self.tenure.mark("child: writes what is no message");
        let noise = words::noise(self.tenure.below(1 << 20));
        self.stderr.write_all(&noise[..noise.len().min(1_000)]).await?;
        self.say(&noise).await
    }

    /// Asks for a checkpoint where none can be made.
    async fn ask_out_of_turn(&mut self) -> Result<(), Over> {
        if !self.tenure.chooses(self.habits().out_of_turn) {
            return Ok(());
        }
        self.tenure.mark("child: asks for a checkpoint out of turn");
        self.checkpoint(vec![Ask::All, Ask::At(self.handed.clone())]).await
    }

    async fn checkpoint_batch(&mut self, records: &[Place]) -> Result<(), Over> {
        let before = self.handed.clone();
        self.handed = records.last().unwrap_or(&before).clone();
        if self.tenure.chooses(self.tenure.habits().wrong) {
            self.tenure.mark("processor: checkpoint out of range");
            let text = NO_PLACES[self.tenure.below(NO_PLACES.len())].to_owned();
            self.checkpoint(vec![Ask::Wrong(text)]).await?;
        }
        if self.tenure.chooses(self.habits().storm) {
            self.tenure.mark("child: storm of checkpoints");
            let storm = self.storm(&before, records);
            self.checkpoint(storm).await?;
        }
        match self.tenure.wish(records.len()) {
            Wish::Nothing => Ok(()),
            Wish::Inside(at) => self.checkpoint(vec![Ask::At(records[at].clone())]).await,
            Wish::All => self.checkpoint(vec![Ask::All]).await,
        }
    }

    /// Checkpoints of every kind: behind the last one, ahead of all records, at none.
    fn storm(&self, before: &Place, records: &[Place]) -> Vec<Ask> {
        let one = |_| match self.tenure.below(5) {
            0 => Ask::All,
            1 => Ask::At(before.clone()),
            2 => Ask::Wrong(NO_PLACES[self.tenure.below(NO_PLACES.len())].to_owned()),
            _ => match records.get(self.tenure.below(records.len())) {
                Some(place) => Ask::At(place.clone()),
                None => Ask::All,
            },
        };
        (0..1 + self.tenure.below(STORM)).map(one).collect()
    }

    /// Asks for checkpoints in one breath, and hears what comes of them.
    async fn checkpoint(&mut self, asks: Vec<Ask>) -> Result<(), Over> {
        let lines = self.ask(&asks);
        self.say(lines.as_bytes()).await?;
        self.hear_of(asks).await
    }

    /// Writes down that checkpoints are asked for; the lines that do.
    fn ask(&self, asks: &[Ask]) -> String {
        for ask in asks.iter().filter(|ask| self.counts(ask)) {
            self.tenure.ask(ask.place().cloned());
        }
        Turn::asks(&self.turn, asks.len());
        asks.iter().map(Ask::line).collect()
    }

    async fn hear_of(&mut self, asks: Vec<Ask>) -> Result<(), Over> {
        for ask in asks {
            let answered = self.answered.recv().await.ok_or(Over)?;
            self.tenure.node.passes().await;
            self.conclude(&ask, answered);
        }
        Ok(())
    }

    /// Whether a checkpoint is one that an application means.
    fn counts(&self, ask: &Ask) -> bool {
        self.may_checkpoint && !matches!(ask, Ask::Wrong(_))
    }

    /// Takes in what came of a checkpoint; nothing may be made that is none.
    fn conclude(&mut self, ask: &Ask, answered: Answered) {
        if !ask.is_meant_by(&answered) {
            self.tenure.mistold(&format!("{answered:?} answers {ask:?}"));
        }
        let is_behind = ask.place().is_some_and(|place| *place < self.made);
        let is_made = answered.error.is_none();
        if is_made && (is_behind || !self.counts(ask)) {
            self.tenure.mistold(&format!("{ask:?} was made, behind {}", self.made));
        }
        if !self.counts(ask) {
            return;
        }
        let place = ask.place().unwrap_or(&self.handed);
        if is_made {
            self.made = place.clone();
        }
        let told = (is_made || ask.place().is_some()).then(|| place.clone());
        self.tenure.answer(told, answered.error);
    }

    /// Says that an action is done, in one way or another.
    async fn answer(&mut self, call: Call, name: &str) -> Result<(), Over> {
        self.tenure.done(None);
        self.tenure.passes(call, Edge::After).await;
        let mut lines = words::status(name);
        if self.tenure.happens(self.habits().exit_behind) {
            self.tenure.mark("child: exits behind a line without its end");
            lines.pop();
            Turn::answers(&self.turn);
            self.say(lines.as_bytes()).await?;
            return Err(Over);
        }
        let mut asks = Vec::new();
        if self.tenure.chooses(self.habits().ask_behind) {
            self.tenure.mark("child: asks for checkpoints behind its status");
            asks = vec![Ask::All; 1 + self.tenure.below(STORM)];
        }
        asks.extend(self.guess());
        let is_twice = self.tenure.chooses(self.habits().twice);
        if is_twice {
            self.tenure.mark("child: answers twice");
            lines = lines.repeat(2);
        }
        lines += &self.ask(&asks);
        Turn::answers(&self.turn);
        if is_twice || !asks.is_empty() {
            // Behind a status whatever comes late enough is for the next action.
            self.stdout.write_all(lines.as_bytes()).await?;
        } else {
            self.say(lines.as_bytes()).await?;
        }
        self.hear_of(asks).await
    }

    /// A checkpoint at the record behind all that it was handed.
    fn guess(&self) -> Option<Ask> {
        if !self.habits().guesses {
            return None;
        }
        let state = self.tenure.world.state();
        match state.journal.put_behind(&self.tenure.shard, &self.handed)? {
            Place::At(number, _) => Some(Ask::Wrong(number.to_string())),
            Place::TrimHorizon | Place::Latest | Place::AtTimestamp | Place::ShardEnd => None,
        }
    }

    /// What a child does on its own, while nothing is asked of it.
    async fn go_on_after(&mut self) -> Result<(), Over> {
        let exits = self.tenure.happens(self.habits().exit_between);
        let asks = self.tenure.chooses(self.habits().ask_later);
        if !exits && !asks {
            return Ok(());
        }
        tokio::time::sleep(self.tenure.between(Duration::ZERO, LATER)).await;
        if exits {
            self.tenure.mark("child: exits between two actions");
            return Err(Over);
        }
        self.tenure.mark("child: asks for a checkpoint between two actions");
        // The next action, which may have begun by now, has a checkpointer.
        self.may_checkpoint = true;
        self.checkpoint(vec![Ask::At(self.handed.clone())]).await
    }

    /// Writes to stdout: at once, or piece by piece.
    async fn say(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.tenure.node.passes().await;
        if bytes.len() > 1_000 || !self.tenure.chooses(self.habits().pieces) {
            return Ok(self.stdout.write_all(bytes).await?);
        }
        self.tenure.mark("child: writes in pieces");
        if self.whose == Stdout::OfSeveral {
            self.stdout.write_all(bytes).await?;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(rest.len().min(1 + self.tenure.below(20)));
            if self.whose == Stdout::Own {
                self.stdout.write_all(piece).await?;
            }
            tokio::time::sleep(self.tenure.between(Duration::ZERO, PAUSE)).await;
            rest = others;
        }
        self.tenure.node.passes().await;
        Ok(())
    }
}
