//! Running the checker: everything is explored, or as much as it takes to see a rule broken.

use std::collections::BTreeSet;
use std::hash::Hash;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

/// What a state may be asked.
pub(crate) type Condition<M> = fn(&M, &<M as Model>::State) -> bool;

/// A situation without which the invariants would hold for want of a test.
pub(crate) type Situation<M> = (&'static str, Condition<M>);

/// Explores until an invariant of this name is seen broken, or a situation of this name met; says
/// whether it was.
pub(crate) fn finds<M>(model: M, name: &'static str) -> bool
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Clone + PartialEq + Send + Sync,
    M::Action: Clone + PartialEq,
{
    assert!(model.properties().iter().any(|property| property.name == name), "unknown: {name}");
    let found = HasDiscoveries::AllOf(BTreeSet::from([name]));
    let checker = model.checker().threads(2).finish_when(found).spawn_dfs().join();
    checker.discovery(name).is_some()
}

/// Explores everything: what must always hold does, and every situation is met, in so many states
/// at the least. Says how many there are.
pub(crate) fn explore<M>(model: M, states_min: usize) -> usize
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Clone + PartialEq + Send + Sync,
    M::Action: Clone + PartialEq + std::fmt::Debug,
{
    let properties = model.properties();
    let nothing_ends_it = HasDiscoveries::AllOf(BTreeSet::from(["no property has this name"]));
    let checker = model.checker().threads(2).finish_when(nothing_ends_it).spawn_bfs().join();
    let discoveries = checker.discoveries();
    for property in properties {
        match (&property.expectation, discoveries.get(property.name)) {
            (Expectation::Always, Some(path)) => {
                panic!("{}: broken by{}", property.name, steps(path.clone().into_actions()))
            }
            (Expectation::Sometimes, None) => panic!("never met: {}", property.name),
            (Expectation::Eventually, _) => panic!("not asked of a graph with circles"),
            (Expectation::Always, None) | (Expectation::Sometimes, Some(_)) => {}
        }
    }
    at_least(checker.unique_state_count(), states_min)
}

/// A model that lost some of its states would hold for want of them.
pub(crate) fn at_least(states: usize, states_min: usize) -> usize {
    assert!(states >= states_min, "{states} states; at least {states_min} are expected");
    states
}

/// Steps, one a line.
pub(crate) fn steps<A: std::fmt::Debug>(actions: impl IntoIterator<Item = A>) -> String {
    actions.into_iter().map(|action| format!("\n  {action:?}")).collect()
}
