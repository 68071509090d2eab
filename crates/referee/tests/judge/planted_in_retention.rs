//! What an application says of records that it may have lost to retention, and does not say.

use shardwise_referee::{Gap, Invariant, Journals, Place, judge};

use crate::planted::{FIRST, assert_blamed, sequence};
use crate::planted_in_calls::with_a_hole;
use crate::story::{Story, WORKERS, numbers};

fn place(story: &Story, nth: usize) -> Place {
    let sequence = sequence(story, nth);
    let (number, sub) = numbers(&sequence);
    Place::parse(number, sub).unwrap()
}

/// What the first worker says now: something may be lost behind one record and before another.
fn gap(story: &Story, after: usize, before: Option<usize>) -> Gap {
    Gap {
        t: story.now,
        worker: WORKERS[0].to_owned(),
        shard: FIRST.to_owned(),
        after: place(story, after),
        before: before.map(|before| place(story, before)),
    }
}

/// Ten records, of which retention removed the eighth, and nobody says so.
fn with_a_removed_record() -> (Story, String) {
    let (mut story, eighth) = with_a_hole();
    story.trimmed.push((FIRST.to_owned(), eighth));
    let tenure = story.tenures.keys().next().unwrap().clone();
    (story, tenure)
}

/// When a tenure was handed something last.
fn last_hand_t(story: &Story, tenure: &str) -> u64 {
    let hand = story.events[tenure].iter().rfind(|event| event["e"] == "hand");
    hand.unwrap()["t"].as_u64().unwrap()
}

#[test]
fn what_retention_removed_is_told_before_what_is_behind_it_is_handed() {
    let (mut story, tenure) = with_a_removed_record();
    let hand_t = last_hand_t(&story, &tenure);
    let told = |t: u64, after, before| Gap { t, ..gap(&story, after, before) };
    let of_another = Gap { worker: WORKERS[1].to_owned(), ..told(hand_t, 6, Some(8)) };
    let enough = [told(hand_t, 6, Some(8)), told(hand_t, 4, Some(9)), told(hand_t, 6, None)];
    let wrong = [
        told(hand_t + 1, 6, Some(8)),
        told(hand_t, 7, Some(8)),
        told(hand_t, 6, Some(7)),
        told(0, 6, Some(8)),
        of_another,
    ];
    for gap in enough {
        story.gaps = Some(vec![gap]);
        assert_blamed(&story, []);
    }
    for gap in wrong {
        story.gaps = Some(vec![gap]);
        assert_blamed(&story, [Invariant::EverythingDelivered]);
    }
    story.gaps = Some(Vec::new());
    assert_blamed(&story, [Invariant::EverythingDelivered]);
}

#[test]
fn what_retention_removed_before_the_shards_end_is_told_as_well() {
    let (mut story, tenure) = with_a_removed_record();
    let covering = Gap { t: last_hand_t(&story, &tenure), ..gap(&story, 6, Some(8)) };
    story.put(FIRST, "last");
    let last = sequence(&story, 10);
    story.trimmed.push((FIRST.to_owned(), last));
    story.split(FIRST);
    story.tick();
    let at_the_end = gap(&story, 9, None);
    story.tenures.get_mut(&tenure).unwrap().handed = 11;
    story.end(&tenure);
    story.gaps = Some(vec![covering.clone(), at_the_end]);
    assert_blamed(&story, []);
    story.gaps = Some(vec![covering]);
    assert_blamed(&story, [Invariant::EverythingDelivered]);
}

/// Hands the next five records but for the first ones, which retention has removed.
fn hand_behind_removed_records(story: &mut Story, tenure: &str, removed: usize) {
    story.hand(tenure, 5);
    let events = story.events.get_mut(tenure).unwrap();
    let hand = events.iter_mut().rfind(|event| event["e"] == "hand").unwrap();
    hand["records"].as_array_mut().unwrap().drain(..removed);
}

#[test]
fn a_gap_that_a_processor_begins_at_again_need_not_be_told_again() {
    let mut story = Story::watched(1);
    story.put_many(FIRST, 10);
    let tenure = story.take(WORKERS[0], FIRST);
    story.hand(&tenure, 5);
    story.checkpoint(&tenure);
    let removed = sequence(&story, 5);
    story.trimmed.push((FIRST.to_owned(), removed));
    story.tick();
    let [at_its_start, wider] = [4, 3].map(|after| gap(&story, after, Some(6)));
    for _ in 0..2 {
        let tenure = story.start(WORKERS[0], FIRST);
        hand_behind_removed_records(&mut story, &tenure, 1);
    }
    story.gaps = Some(vec![at_its_start.clone()]);
    assert_blamed(&story, []);
    let of_another = Gap { worker: WORKERS[1].to_owned(), ..at_its_start };
    for gap in [wider, of_another] {
        story.gaps = Some(vec![gap]);
        assert_blamed(&story, [Invariant::EverythingDelivered]);
    }
}

#[test]
fn of_what_was_gone_before_a_shards_first_record_was_read_nothing_can_be_known() {
    let mut story = Story::watched(1);
    story.put_many(FIRST, 5);
    let tenure = story.take(WORKERS[0], FIRST);
    hand_behind_removed_records(&mut story, &tenure, 2);
    for nth in 0..2 {
        let removed = sequence(&story, nth);
        story.trimmed.push((FIRST.to_owned(), removed));
    }
    story.gaps = Some(Vec::new());
    assert_blamed(&story, []);
}

#[test]
fn a_gap_begins_at_a_record_that_is_gone_or_never_was_and_covers_none_that_is_there() {
    let (mut story, tenure) = with_a_removed_record();
    let hand_t = last_hand_t(&story, &tenure);
    let told = |after, before| Gap { t: hand_t, ..gap(&story, after, Some(before)) };
    let (told, begin_only, at_the_end) = (told(6, 8), told(6, 7), told(8, 9));
    let without_end = Gap { before: None, ..at_the_end };
    let at_no_record = Gap { after: Place::parse("1", 0).unwrap(), ..told.clone() };
    let ages = [6, 7, 9].map(|put| hand_t - story.journals().puts[put].t);
    let mut blamed = |gap: &Gap, retention: u64| {
        story.gaps = Some(vec![gap.clone()]);
        let journals = Journals { retention: Some(retention), ..story.journals() };
        let broken = judge(&journals).violations.into_iter();
        broken.filter(|broken| broken.text.contains("and the stream has")).count()
    };
    assert_eq!([blamed(&begin_only, ages[0]), blamed(&begin_only, ages[0] + 1)], [0, 1]);
    assert_eq!([blamed(&told, ages[1]), blamed(&told, ages[1] + 1)], [0, 1]);
    assert_eq!([blamed(&at_no_record, ages[1]), blamed(&at_no_record, ages[1] + 1)], [0, 1]);
    assert_eq!([blamed(&without_end, ages[2]), blamed(&without_end, ages[2] + 1)], [0, 1]);
}
