use std::collections::BTreeMap;
use std::time::Duration;

use svg::node::Value;
use svg::node::element::tag::Type;
use svg::parser::Event as Part;

use super::*;
use crate::plan::{Limits, Plan};
use crate::run::run;
use shardwise_referee::{Invariant, Violation};

/// A short run with reshards and kills.
fn outcome() -> Outcome {
    let limits =
        Limits { chaos: Some(Duration::from_secs(300)), shards: Some(3), ..Limits::default() };
    run(Plan::new(4, &limits), false)
}

/// The elements of a picture, each with its attributes.
fn elements(picture: &str) -> Vec<(String, BTreeMap<String, Value>)> {
    let mut open = Vec::new();
    let mut elements = Vec::new();
    for part in svg::read(picture).unwrap() {
        match part {
            Part::Tag(name, kind, attributes) => {
                match kind {
                    Type::Start => open.push(name.to_owned()),
                    Type::End => assert_eq!(open.pop().as_deref(), Some(name)),
                    Type::Empty => {}
                }
                if kind != Type::End {
                    elements.push((name.to_owned(), attributes.into_iter().collect()));
                }
            }
            Part::Error(error) => panic!("{error}"),
            Part::Text(_) | Part::Comment(_) | Part::Declaration(_) | Part::Instruction(_) => {}
        }
    }
    assert!(open.is_empty(), "{open:?} never end");
    elements
}

fn count(picture: &str, class: &str) -> usize {
    let is_of = |attributes: &BTreeMap<String, Value>| {
        attributes.get("class").is_some_and(|value| **value == *class)
    };
    elements(picture).iter().filter(|(_, attributes)| is_of(attributes)).count()
}

/// How many checkpoints a picture tells of, one by one or as the rest of many at one place.
fn checkpoints(picture: &str) -> usize {
    let titles = picture.split("<title>").skip(1).filter_map(|part| part.split("</title>").next());
    let is_one = |line: &&str| line.contains(" checkpoint at ") || line.contains(" SHARD_END of ");
    let of = |title: &str| {
        let told = title.lines().filter(is_one).count();
        let rest = title.lines().find_map(|line| line.strip_prefix("and ")?.strip_suffix(" more"));
        let rest = rest.map_or(0, |count| count.parse::<usize>().unwrap());
        if told == 0 { 0 } else { told + rest }
    };
    titles.map(of).sum()
}

#[test]
fn every_shard_has_a_lane_and_every_tenure_a_bar() {
    let outcome = outcome();
    let picture = draw(&outcome);
    let run = Run::of(&outcome);
    assert!(run.shards.len() > 3, "the run has no reshard");
    for shard in &outcome.journals.shards {
        assert!(picture.contains(&format!("<title>{}: open from ", shard.shard)), "{shard:?}");
    }
    let starts = outcome.journals.hand_overs.iter().flatten();
    let starts = starts.filter(|e| matches!(e, shardwise_referee::Event::Start { .. })).count();
    assert!(starts > 3);
    assert_eq!(count(&picture, "tenure"), starts);
    let ends = outcome.tally.of("reshard: split") + 2 * outcome.tally.of("reshard: merge");
    assert_eq!(count(&picture, "end") as u64, ends, "every closed shard comes to its end");
    assert_eq!(draw(&outcome), picture);
}

#[test]
fn every_mark_lies_in_the_picture_and_says_what_it_is() {
    let outcome = outcome();
    let picture = draw(&outcome);
    let killed = outcome.journals.workers.iter();
    let killed = killed.filter(|e| matches!(e, shardwise_referee::WorkerEvent::Killed { .. }));
    assert_eq!(picture.matches(" killed at ").count(), killed.count());
    let made: usize = Run::of(&outcome).shards.iter().map(|s| s.checkpoints.len()).sum();
    assert!(made > 20);
    assert_eq!(checkpoints(&picture), made);
    let all = elements(&picture);
    let number = |value: &Value| value.parse::<f64>().unwrap();
    let width = number(&all[0].1["width"]);
    for (name, attributes) in &all {
        let x = attributes.get("x").or_else(|| attributes.get("x1")).map(number);
        assert!(x.is_none_or(|x| (0.0..=width).contains(&x)), "{name} {attributes:?}");
    }
}

#[test]
fn what_is_broken_stands_out_at_its_time_and_text_cannot_break_the_picture() {
    let mut outcome = outcome();
    let shard = outcome.journals.shards[0].shard.clone();
    let text = "<b> & \"x\" at t=60000000, \u{1}".to_owned();
    outcome.verdict.violations = vec![
        Violation { invariant: Invariant::OverlapBounded, shard, text: text.clone() },
        Violation { invariant: Invariant::Journals, shard: "nowhere".to_owned(), text },
    ];
    let picture = draw(&outcome);
    assert_eq!(count(&picture, "violation"), 1);
    assert_eq!(count(&picture, "broken"), 2, "a lane's name, and a line of text");
    assert!(picture.contains("&lt;b&gt; &amp; "));
    assert!(!picture.contains("<b>") && !picture.contains('\u{1}'));
    let story = story(&outcome);
    assert!(story.iter().any(|line| line.starts_with("    1:00.000 BROKEN I17 ")), "{story:?}");
}

#[test]
fn a_longer_run_has_a_wider_picture() {
    let width = |end: u64| {
        let picture = Picture::new(end, "").finish();
        elements(&picture)[0].1["width"].parse::<f64>().unwrap()
    };
    assert!(width(3_600_000_000) > 2.0 * width(600_000_000));
    assert!(width(100 * 3_600_000_000) < 10_000.0);
}
