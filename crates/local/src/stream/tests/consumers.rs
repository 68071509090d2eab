//! Stream consumers, by example.

use super::super::*;
use super::{SECOND, START, STREAM, World};

impl World {
    fn register(&mut self, name: &str) -> Result<Consumer, &'static str> {
        self.streams.register_consumer(STREAM, name, self.now).map_err(|error| error.name())
    }

    fn described(&mut self, name: &str) -> Result<ConsumerStatus, &'static str> {
        let consumer = self.streams.describe_consumer(STREAM, name, self.now);
        consumer.map(|consumer| consumer.status).map_err(|error| error.name())
    }
}

#[test]
fn a_consumer_is_found_by_its_name_and_by_its_arn() {
    let mut world = World::new(Settings::default(), 1);
    let made = world.register("app").unwrap();
    let second = START.as_millis() / 1000;
    let stream = world.streams.arn(STREAM);

    assert_eq!(made.arn, format!("{stream}/consumer/app:{second}"));
    assert_eq!((made.status, made.created), (ConsumerStatus::Creating, START));
    let arn = ConsumerArn::parse(&made.arn).unwrap();
    assert_eq!((arn.stream.as_str(), arn.consumer.as_str()), (STREAM, "app"));
    world.streams.require_registered(&arn, world.now).unwrap();
    let described = world.streams.describe_consumer(STREAM, "app", world.now).unwrap();
    assert_eq!(described, Consumer { status: ConsumerStatus::Active, ..made });
    assert_eq!(world.streams.summary(STREAM, world.now).unwrap().consumers, 1);
}

#[test]
fn a_name_is_registered_once_at_a_time() {
    let mut world = World::new(Settings::default(), 1);
    let first = world.register("app").unwrap();
    assert_eq!(world.register("app"), Err("ResourceInUseException"));

    world.streams.deregister_consumer(STREAM, "app", world.now).unwrap();
    world.wait(SECOND);
    let second = world.register("app").unwrap();

    assert_ne!(first.arn, second.arn);
    let arn = ConsumerArn::parse(&first.arn).unwrap();
    let stale = world.streams.require_registered(&arn, world.now).unwrap_err();
    assert_eq!(stale.name(), "ResourceNotFoundException");
}

#[test]
fn a_consumer_that_is_not_there_is_not_found() {
    let mut world = World::new(Settings::default(), 1);
    let arn = format!("{}/consumer/app:1", world.streams.arn(STREAM));
    let arn = ConsumerArn::parse(&arn).unwrap();

    assert_eq!(world.described("app"), Err("ResourceNotFoundException"));
    for refused in [
        world.streams.require_registered(&arn, START),
        world.streams.deregister_consumer(STREAM, "app", START),
        world.streams.register_consumer("none", "app", START).map(drop),
        world.streams.list_consumers("none", 10, START).map(drop),
    ] {
        assert_eq!(refused.unwrap_err().name(), "ResourceNotFoundException");
    }
}

#[test]
fn a_consumer_passes_through_its_states_as_time_goes_by() {
    let mut world = World::new(Settings { registering: SECOND, ..Settings::default() }, 1);
    world.register("app").unwrap();
    assert_eq!(world.described("app"), Ok(ConsumerStatus::Creating));
    world.wait(SECOND);
    assert_eq!(world.described("app"), Ok(ConsumerStatus::Active));

    world.streams.deregister_consumer(STREAM, "app", world.now).unwrap();
    assert_eq!(world.described("app"), Ok(ConsumerStatus::Deleting));
    assert_eq!(world.register("app"), Err("ResourceInUseException"));
    world.wait(SECOND / 2);
    world.streams.deregister_consumer(STREAM, "app", world.now).unwrap();
    world.wait(SECOND / 2);
    assert_eq!(world.described("app"), Err("ResourceNotFoundException"), "not a second later");
}

#[test]
fn a_name_has_up_to_128_letters_digits_and_three_signs() {
    let mut world = World::new(Settings::default(), 1);
    for name in ["", "a b", "a/b", "a:1", "ä", &"x".repeat(129)] {
        assert_eq!(world.register(name), Err("ValidationException"), "{name}");
    }
    for name in ["a", "A-1_b.C", &"x".repeat(128)] {
        assert!(world.register(name).is_ok(), "{name}");
    }
}

#[test]
fn a_stream_has_twenty_consumers() {
    let mut world = World::new(Settings::default(), 1);
    for index in 0..CONSUMERS_PER_STREAM_MAX {
        assert!(world.register(&format!("app-{index}")).is_ok());
    }

    assert_eq!(world.register("one-more"), Err("LimitExceededException"));
    world.streams.deregister_consumer(STREAM, "app-0", world.now).unwrap();
    assert!(world.register("one-more").is_ok());
}

#[test]
fn a_sixth_consumer_waits_until_one_is_registered() {
    let limits = Limits { calls: true, ..Limits::default() };
    let settings = Settings { limits, registering: SECOND, ..Settings::default() };
    let mut world = World::new(settings, 1);
    for name in ["a", "b", "c", "d", "e"] {
        assert!(world.register(name).is_ok(), "{name}");
    }

    assert_eq!(world.register("f"), Err("LimitExceededException"));
    world.wait(SECOND);
    assert!(world.register("f").is_ok());
}

#[test]
fn consumers_are_listed_in_pages() {
    let mut world = World::new(Settings::default(), 1);
    for name in ["c", "a", "b"] {
        world.register(name).unwrap();
    }
    let names = |page: &ConsumerPage| -> Vec<_> {
        page.consumers.iter().map(|consumer| consumer.name.clone()).collect()
    };

    let first = world.streams.list_consumers(STREAM, 2, world.now).unwrap();
    let token = first.next_token.clone().unwrap();
    let rest = world.streams.list_consumers_next(STREAM, &token, 2, world.now).unwrap();

    assert_eq!((names(&first), names(&rest)), (vec!["a".into(), "b".into()], vec!["c".into()]));
    assert_eq!(rest.next_token, None);
    let all = world.streams.list_consumers(STREAM, 3, world.now).unwrap();
    assert_eq!(all.next_token, None);
    let other = world.streams.list_consumers_next(STREAM, "x", 2, world.now).unwrap_err();
    assert_eq!(other.name(), "InvalidArgumentException");
    world.wait(SECOND * 301);
    let old = world.streams.list_consumers_next(STREAM, &token, 2, world.now).unwrap_err();
    assert_eq!(old.name(), "ExpiredNextTokenException");
}

#[test]
fn consumers_go_with_their_stream() {
    let mut world = World::new(Settings::default(), 1);
    world.register("app").unwrap();
    let kept = world.streams.require_no_consumers(STREAM, world.now).unwrap_err();
    assert_eq!(kept.name(), "ResourceInUseException");

    world.streams.delete_stream(STREAM, world.now).unwrap();
    world.streams.create_stream(STREAM, Capacity::Provisioned(1), world.now).unwrap();

    assert_eq!(world.described("app"), Err("ResourceNotFoundException"));
    assert_eq!(world.streams.require_no_consumers(STREAM, world.now), Ok(()));
}
