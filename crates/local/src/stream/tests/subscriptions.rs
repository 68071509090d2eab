//! Subscriptions, by example, and what must hold for every history read by them.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::*;
use super::{SECOND, START, STREAM, Step, World, number, steps};

const LATEST: StartingPosition = StartingPosition::Latest;
const OLDEST: StartingPosition = StartingPosition::TrimHorizon;
const MILLI: Duration = Duration::from_millis(1);

impl World {
    /// A stream of one shard, its id, and the ARN of a consumer.
    fn consumed(settings: Settings) -> (Self, ShardId, String) {
        let mut world = Self::new(settings, 1);
        let arn = world.streams.register_consumer(STREAM, "app", world.now).unwrap().arn;
        // Registered in no time, but not before its stream is looked at again.
        let shard = world.open()[0].id;
        (world, shard, arn)
    }

    fn subscribe(
        &mut self,
        arn: &str,
        shard: ShardId,
        position: StartingPosition,
    ) -> Result<Subscription, &'static str> {
        self.streams.subscribe(arn, shard, position, self.now).map_err(|error| error.name())
    }

    fn next(&mut self, subscription: &mut Subscription) -> Pushed {
        self.streams.next_event(subscription, self.now).unwrap()
    }

    fn event(&mut self, subscription: &mut Subscription) -> SubscriptionEvent {
        match self.next(subscription) {
            Pushed::Event(event) => event,
            other @ (Pushed::WaitUntil(_) | Pushed::Ended) => panic!("no event: {other:?}"),
        }
    }

    fn refusal(&mut self, subscription: &mut Subscription) -> &'static str {
        self.streams.next_event(subscription, self.now).unwrap_err().name()
    }

    fn put_bytes(&mut self, size: usize) -> SequenceNumber {
        let data = Bytes::from(vec![7; size]);
        let record = NewRecord { partition_key: "k".into(), explicit_hash_key: None, data };
        self.streams.put_record(STREAM, record, self.now).unwrap().sequence_number
    }

    /// The records that a new subscription begins with, once a refusal by the last is over.
    fn first_records(&mut self, arn: &str, shard: ShardId, at: StartingPosition) -> Vec<u64> {
        self.wait(SECOND * 5);
        let mut subscription = self.subscribe(arn, shard, at).unwrap();
        self.event(&mut subscription).records.iter().map(number).collect()
    }
}

#[test]
fn a_record_is_there_as_soon_as_it_is_put() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    let mut subscription = world.subscribe(&arn, shard, LATEST).unwrap();
    world.event(&mut subscription);
    assert_eq!(world.next(&mut subscription), Pushed::WaitUntil(START + SECOND * 5));

    let put = world.put_one("a");
    let event = world.event(&mut subscription);

    assert_eq!(event.records.iter().map(number).collect::<Vec<_>>(), [1]);
    assert_eq!(event.continuation, Some(put.sequence_number));
    assert_eq!((event.millis_behind_latest, event.child_shards), (0, vec![]));
}

#[test]
fn each_position_starts_where_it_says() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    let mut numbers = Vec::new();
    for key in ["a", "b", "c"] {
        numbers.push(world.put_one(key).sequence_number);
        world.wait(SECOND);
    }
    let at = START + SECOND;

    assert_eq!(world.first_records(&arn, shard, OLDEST), [1, 2, 3]);
    assert_eq!(world.first_records(&arn, shard, LATEST), [0; 0]);
    let position = StartingPosition::AtTimestamp(at);
    assert_eq!(world.first_records(&arn, shard, position), [2, 3]);
    let position = StartingPosition::AtSequenceNumber(numbers[1]);
    assert_eq!(world.first_records(&arn, shard, position), [2, 3]);
    let position = StartingPosition::AfterSequenceNumber(numbers[1]);
    assert_eq!(world.first_records(&arn, shard, position), [3]);
}

#[test]
fn a_position_that_was_not_given_out_is_refused() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    let given = world.put_one("a").sequence_number;
    let future = SequenceNumber { index: given.index + 1, ..given };

    for position in [
        StartingPosition::AtSequenceNumber(future),
        StartingPosition::AfterSequenceNumber(future),
        StartingPosition::AtTimestamp(START + SECOND),
    ] {
        let refused = world.subscribe(&arn, shard, position).unwrap_err();
        assert_eq!(refused, "InvalidArgumentException");
    }
    assert!(world.subscribe(&arn, shard, OLDEST).is_ok(), "a refused call takes no 5 s");
}

#[test]
fn an_idle_shard_gives_an_event_at_once_and_then_every_five_seconds() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    let mut subscription = world.subscribe(&arn, shard, LATEST).unwrap();
    let mut continuations = Vec::new();

    for _ in 0..3 {
        let event = world.event(&mut subscription);
        assert_eq!((event.records, event.millis_behind_latest), (vec![], 0));
        continuations.push(event.continuation.unwrap());
        world.wait(SECOND * 5 - MILLI);
        let due = world.now + MILLI;
        assert_eq!(world.next(&mut subscription), Pushed::WaitUntil(due));
        world.wait(MILLI);
    }

    assert!(continuations.is_sorted_by(|before, after| before < after), "{continuations:?}");
}

#[test]
fn behind_a_continuation_number_nothing_is_lost_or_repeated() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    // Nothing put yet; then behind a record; then behind a record and an idle time.
    for round in 0_u64..3 {
        let mut subscription = world.subscribe(&arn, shard, LATEST).unwrap();
        let mut continuation = world.event(&mut subscription).continuation.unwrap();
        if round == 2 {
            world.wait(SECOND * 5);
            continuation = world.event(&mut subscription).continuation.unwrap();
        }
        world.put_one("a");
        let after = StartingPosition::AfterSequenceNumber(continuation);
        assert_eq!(world.first_records(&arn, shard, after), [round + 1]);
        let at = StartingPosition::AtSequenceNumber(continuation);
        assert_eq!(world.first_records(&arn, shard, at), [round + 1]);
        world.wait(SECOND * 5);
    }
}

#[test]
fn a_continuation_number_of_a_child_goes_on_in_the_child() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    world.streams.split_shard(STREAM, shard, 1 << 127, world.now).unwrap();
    let child = world.open()[1].id;
    let mut subscription = world.subscribe(&arn, child, OLDEST).unwrap();
    let continuation = world.event(&mut subscription).continuation.unwrap();
    let after = StartingPosition::AfterSequenceNumber(continuation);
    world.streams.split_shard(STREAM, child, 3 << 126, world.now).unwrap();
    world.wait(SECOND * 5);

    let mut subscription = world.subscribe(&arn, child, after).unwrap();

    assert_eq!(world.event(&mut subscription).child_shards.len(), 2);
}

#[test]
fn a_closed_shard_ends_with_its_children_and_no_continuation() {
    for position in [OLDEST, LATEST] {
        let (mut world, shard, arn) = World::consumed(Settings::default());
        world.put_one("a");
        let mut subscription = world.subscribe(&arn, shard, position).unwrap();
        world.event(&mut subscription);
        world.streams.split_shard(STREAM, shard, 1 << 127, world.now).unwrap();

        let end = world.event(&mut subscription);

        assert_eq!((end.records, end.continuation), (vec![], None));
        let parents: Vec<_> = end.child_shards.iter().map(|child| &child.parents).collect();
        assert_eq!(parents, [&[shard], &[shard]]);
        assert_eq!(world.next(&mut subscription), Pushed::Ended);
    }
}

#[test]
fn the_last_event_may_carry_records_and_comes_to_late_subscribers_too() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    world.put_one("a");
    world.streams.split_shard(STREAM, shard, 1 << 127, world.now).unwrap();
    for (position, records) in [(OLDEST, 1), (LATEST, 0)] {
        let mut subscription = world.subscribe(&arn, shard, position).unwrap();
        let end = world.event(&mut subscription);

        assert_eq!((end.records.len(), end.continuation), (records, None));
        assert_eq!(end.child_shards.len(), 2);
        world.wait(SECOND * 5);
    }
}

#[test]
fn a_wait_ends_when_a_resharding_takes_effect() {
    let settings = Settings { updating: SECOND * 2, ..Settings::default() };
    let (mut world, shard, arn) = World::consumed(settings);
    let mut subscription = world.subscribe(&arn, shard, LATEST).unwrap();
    world.event(&mut subscription);
    world.streams.split_shard(STREAM, shard, 1 << 127, world.now).unwrap();

    assert_eq!(world.next(&mut subscription), Pushed::WaitUntil(START + SECOND * 2));
    world.wait(SECOND * 2);
    assert_eq!(world.event(&mut subscription).continuation, None);
}

#[test]
fn a_subscription_ends_by_itself_after_five_minutes() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    let mut subscription = world.subscribe(&arn, shard, LATEST).unwrap();
    world.wait(SECOND * 298);
    world.event(&mut subscription);
    assert_eq!(world.next(&mut subscription), Pushed::WaitUntil(START + SECOND * 300));

    world.wait(SECOND * 2);
    world.put_one("a");

    assert_eq!(world.next(&mut subscription), Pushed::Ended);
}

#[test]
fn a_second_subscription_is_refused_for_five_seconds_and_then_takes_over() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    let mut first = world.subscribe(&arn, shard, OLDEST).unwrap();
    world.wait(SECOND * 5 - MILLI);
    assert_eq!(world.subscribe(&arn, shard, OLDEST).unwrap_err(), "ResourceInUseException");
    world.event(&mut first);

    world.wait(MILLI);
    let mut second = world.subscribe(&arn, shard, OLDEST).unwrap();

    assert_eq!(world.refusal(&mut first), "ResourceInUseException");
    assert_eq!(world.next(&mut first), Pushed::Ended);
    world.event(&mut second);
}

#[test]
fn another_consumer_and_another_shard_are_subscribed_to_at_once() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    let other = world.streams.register_consumer(STREAM, "other", world.now).unwrap().arn;
    world.streams.split_shard(STREAM, shard, 1 << 127, world.now).unwrap();
    let child = world.open()[0].id;

    let mut subscriptions = [(&arn, shard), (&arn, child), (&other, shard)]
        .map(|(arn, shard)| world.subscribe(arn, shard, OLDEST).unwrap());

    for subscription in &mut subscriptions {
        world.event(subscription);
    }
}

#[test]
fn a_consumer_that_is_not_active_is_in_use() {
    let settings = Settings { registering: SECOND, ..Settings::default() };
    let (mut world, shard, arn) = World::consumed(settings);
    assert_eq!(world.subscribe(&arn, shard, OLDEST).unwrap_err(), "ResourceInUseException");
    world.wait(SECOND);
    assert!(world.subscribe(&arn, shard, OLDEST).is_ok());

    world.streams.deregister_consumer(STREAM, "app", world.now).unwrap();
    world.wait(SECOND / 2);
    assert_eq!(world.subscribe(&arn, shard, OLDEST).unwrap_err(), "ResourceInUseException");
    world.wait(SECOND / 2);
    assert_eq!(world.subscribe(&arn, shard, OLDEST).unwrap_err(), "ResourceNotFoundException");
}

#[test]
fn what_is_not_there_is_not_subscribed_to() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    let stream = world.streams.arn(STREAM);
    let missing = "ResourceNotFoundException";

    assert_eq!(world.subscribe(&arn, ShardId(7), OLDEST).unwrap_err(), missing);
    let no_consumer = format!("{stream}/consumer/none:1");
    assert_eq!(world.subscribe(&no_consumer, shard, OLDEST).unwrap_err(), missing);
    let other_second = format!("{stream}/consumer/app:1");
    assert_eq!(world.subscribe(&other_second, shard, OLDEST).unwrap_err(), missing);
    assert_eq!(world.subscribe(&stream, shard, OLDEST).unwrap_err(), "ValidationException");
}

#[test]
fn a_subscription_does_not_outlive_its_consumer_or_its_stream() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    let mut subscription = world.subscribe(&arn, shard, OLDEST).unwrap();
    world.streams.deregister_consumer(STREAM, "app", world.now).unwrap();
    let again = world.streams.register_consumer(STREAM, "app", world.now).unwrap();
    assert_eq!(again.arn, arn, "made again in the same second");
    assert_eq!(world.refusal(&mut subscription), "ResourceNotFoundException");

    world.shards();
    let mut subscription = world.subscribe(&arn, shard, OLDEST).unwrap();
    world.streams.delete_stream(STREAM, world.now).unwrap();
    world.streams.create_stream(STREAM, Capacity::Provisioned(1), world.now).unwrap();
    assert_eq!(world.refusal(&mut subscription), "ResourceNotFoundException");
}

#[test]
fn an_event_has_a_mebibyte_at_most_unless_one_record_has_more() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    world.streams.set_record_size_max(STREAM, 10_240, world.now).unwrap();
    for size in [600 << 10, 400 << 10, 100 << 10, 3 << 20] {
        world.put_bytes(size);
    }
    let mut subscription = world.subscribe(&arn, shard, OLDEST).unwrap();

    let counts: Vec<_> = (0..3).map(|_| world.event(&mut subscription).records.len()).collect();

    assert_eq!(counts, [2, 1, 1]);
}

#[test]
fn a_subscriber_learns_how_far_it_is_behind() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    world.put_bytes(600 << 10);
    world.wait(SECOND);
    world.put_bytes(600 << 10);
    world.wait(SECOND);
    let mut subscription = world.subscribe(&arn, shard, OLDEST).unwrap();

    assert_eq!(world.event(&mut subscription).millis_behind_latest, 2000);
    assert_eq!(world.event(&mut subscription).millis_behind_latest, 0);
}

#[test]
fn limits_hold_a_subscription_to_two_mebibytes_a_second() {
    let limits = Limits { reads: true, ..Limits::default() };
    let (mut world, shard, arn) = World::consumed(Settings { limits, ..Settings::default() });
    for _ in 0..9 {
        world.put_bytes((1 << 20) - 1);
    }
    let mut subscription = world.subscribe(&arn, shard, OLDEST).unwrap();
    let mut read = 0;
    while world.now < START + SECOND {
        match world.next(&mut subscription) {
            Pushed::Event(event) => read += event.records.len(),
            Pushed::WaitUntil(at) => world.now = at,
            Pushed::Ended => panic!("ended"),
        }
    }

    // Two were saved up before, and two come in a second.
    assert_eq!(read, 4);
}

#[test]
fn limits_refuse_a_second_call_within_a_second_whatever_came_of_the_first() {
    let limits = Limits { calls: true, ..Limits::default() };
    let (mut world, shard, arn) = World::consumed(Settings { limits, ..Settings::default() });
    let bad = StartingPosition::AtTimestamp(START + SECOND * 60);
    assert_eq!(world.subscribe(&arn, shard, bad).unwrap_err(), "InvalidArgumentException");

    assert_eq!(world.subscribe(&arn, shard, OLDEST).unwrap_err(), "LimitExceededException");
    world.wait(SECOND);
    assert!(world.subscribe(&arn, shard, OLDEST).is_ok());
}

#[test]
fn what_happens_to_a_shard_shows_in_what_changed() {
    let (mut world, shard, arn) = World::consumed(Settings::default());
    let place = ChangedShards::place(shard);
    let changed = |world: &mut World| {
        let changed = world.streams.take_changed();
        changed.places().collect::<Vec<_>>()
    };
    changed(&mut world);
    world.subscribe(&arn, shard, OLDEST).unwrap();
    assert_eq!(changed(&mut world), [place]);
    world.put_one("a");
    assert_eq!(changed(&mut world), [place]);
    world.shards();
    assert_eq!(changed(&mut world), [0; 0]);
    world.streams.split_shard(STREAM, shard, 1 << 127, world.now).unwrap();
    assert!(changed(&mut world).contains(&place));
    world.streams.deregister_consumer(STREAM, "app", world.now).unwrap();
    assert!(changed(&mut world).contains(&place));
    world.streams.delete_stream(STREAM, world.now).unwrap();
    assert!(changed(&mut world).contains(&place));
}

/// Goes on with a subscription, or, by chance, with a new one behind its continuation number.
struct Follower {
    arn: String,
    shard: ShardId,
    subscription: Subscription,
    continuation: Option<SequenceNumber>,
    records: Vec<u64>,
}

impl Follower {
    fn new(world: &mut World, arn: &str, shard: ShardId) -> Self {
        let subscription = world.subscribe(arn, shard, OLDEST).unwrap();
        let arn = arn.to_owned();
        Self { arn, shard, subscription, continuation: None, records: Vec::new() }
    }

    fn reconnect(&mut self, world: &mut World) {
        let position = self.continuation.map_or(OLDEST, StartingPosition::AfterSequenceNumber);
        if let Ok(subscription) = world.subscribe(&self.arn, self.shard, position) {
            self.subscription = subscription;
        }
    }

    /// Takes what there is, and says whose children are to be followed from now on.
    fn follow(&mut self, world: &mut World) -> Vec<ChildShard> {
        loop {
            let Pushed::Event(event) = world.next(&mut self.subscription) else { return vec![] };
            self.records.extend(event.records.iter().map(number));
            assert_eq!(event.continuation.is_none(), !event.child_shards.is_empty());
            assert!(event.continuation.is_none_or(|it| Some(it) >= self.continuation));
            self.continuation = event.continuation;
            if event.continuation.is_none() {
                assert_eq!(world.next(&mut self.subscription), Pushed::Ended);
                return event.child_shards;
            }
        }
    }
}

/// Follows children that are not yet, as nobody may know which parent ends last.
fn begin(
    world: &mut World,
    arn: &str,
    children: Vec<ChildShard>,
    following: &mut BTreeMap<ShardId, Follower>,
    done: &BTreeMap<ShardId, Follower>,
) {
    for child in children {
        if !done.contains_key(&child.id) && !following.contains_key(&child.id) {
            following.insert(child.id, Follower::new(world, arn, child.id));
        }
    }
}

proptest! {
    #[test]
    fn subscriptions_that_come_and_go_read_every_record_once_along_the_lineage(
        steps in steps(),
        chances in prop::collection::vec(any::<u8>(), 25),
    ) {
        let mut world = World::new(Settings::default(), 3);
        let arn = world.streams.register_consumer(STREAM, "app", world.now).unwrap().arn;
        let (mut following, mut done) = (BTreeMap::new(), BTreeMap::new());
        for shard in world.open() {
            following.insert(shard.id, Follower::new(&mut world, &arn, shard.id));
        }
        // Rounds go on after the last step: each finds the children of what ended before it.
        let rest = std::iter::repeat_n(&Step::Wait { millis: 0 }, 60);
        for (step, chance) in steps.iter().chain(rest).zip(chances.iter().cycle()) {
            world.step(step);
            world.wait(SECOND * 2);
            let shards: Vec<ShardId> = following.keys().copied().collect();
            for (shard, index) in shards.into_iter().zip(0_u32..) {
                let mut follower = following.remove(&shard).unwrap();
                if (chance >> (index % 8)) & 1 == 1 {
                    follower.reconnect(&mut world);
                }
                let children = follower.follow(&mut world);
                let is_done = !children.is_empty();
                if is_done { &mut done } else { &mut following }.insert(shard, follower);
                begin(&mut world, &arn, children, &mut following, &done);
            }
        }

        let mut read: Vec<u64> =
            done.values().chain(following.values()).flat_map(|it| it.records.clone()).collect();
        read.sort_unstable();
        prop_assert_eq!(read, (1..=world.records).collect::<Vec<_>>());
        prop_assert!(done.values().all(|it| it.records.is_sorted()));
    }
}
