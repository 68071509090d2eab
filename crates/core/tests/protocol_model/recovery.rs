//! Whether a model can always get well: from every state that faults may lead to, steps without
//! further faults must lead to one where nothing is left to do.
//!
//! The checker cannot say so of a graph with circles, where something may be put off for ever. So
//! the graph is kept here, and walked backwards from the states where all is well.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use stateright::Model;

use crate::checking;

/// A model that faults may harm.
pub(crate) trait Recovers: Model {
    /// Whether the world need not ever do this.
    fn is_fault(&self, action: &Self::Action) -> bool;
    /// Whether nothing is left to do.
    fn is_well(&self, state: &Self::State) -> bool;
}

/// Explores everything: every state can get well, of so many at the least. Says how many there are.
pub(crate) fn always_recovers<M>(model: &M, states_min: usize) -> usize
where
    M: Recovers,
    M::State: Hash + std::fmt::Debug,
    M::Action: Clone + std::fmt::Debug,
{
    let graph = Graph::explore(model);
    if let Some(stuck) = graph.stuck() {
        let (path, state) = (checking::steps(graph.path_to(stuck)), &graph.states[stuck]);
        panic!("never gets well: {state:#?}\nafter{path}");
    }
    assert!(graph.well.iter().any(|well| *well), "nothing is ever well");
    checking::at_least(graph.states.len(), states_min)
}

/// Whether there is a state that cannot get well.
pub(crate) fn gets_stuck<M>(model: &M) -> bool
where
    M: Recovers,
    M::State: Hash,
    M::Action: Clone,
{
    Graph::explore(model).stuck().is_some()
}

/// All states, in the order in which they were found: the shortest ways to them first.
struct Graph<M: Recovers> {
    states: Vec<M::State>,
    well: Vec<bool>,
    /// From where each state can be reached by a step that is no fault.
    before: Vec<Vec<u32>>,
    /// The step that led to each state first; none to where it all begins.
    found: Vec<Option<(u32, M::Action)>>,
}

impl<M> Graph<M>
where
    M: Recovers,
    M::State: Hash,
    M::Action: Clone,
{
    fn explore(model: &M) -> Self {
        let mut graph =
            Self { states: Vec::new(), well: Vec::new(), before: Vec::new(), found: Vec::new() };
        let mut known = BTreeMap::new();
        for state in model.init_states() {
            known.insert(hash(&state), graph.add(model, state, None));
        }
        let mut id = 0;
        while let Some(state) = graph.states.get(id as usize) {
            let mut actions = Vec::new();
            model.actions(state, &mut actions);
            let steps: Vec<_> = actions
                .into_iter()
                .filter_map(|action| Some((model.next_state(state, action.clone())?, action)))
                .collect();
            for (next, action) in steps {
                let is_fault = model.is_fault(&action);
                let next = *known
                    .entry(hash(&next))
                    .or_insert_with(|| graph.add(model, next, Some((id, action))));
                if !is_fault && next != id {
                    graph.before[next as usize].push(id);
                }
            }
            id += 1;
        }
        graph
    }

    fn add(&mut self, model: &M, state: M::State, found: Option<(u32, M::Action)>) -> u32 {
        let id = u32::try_from(self.states.len()).expect("there are fewer states");
        self.well.push(model.is_well(&state));
        self.states.push(state);
        self.before.push(Vec::new());
        self.found.push(found);
        id
    }

    /// The first state that cannot get well.
    fn stuck(&self) -> Option<usize> {
        let mut recovers = self.well.clone();
        let mut queue: Vec<usize> = (0..recovers.len()).filter(|id| recovers[*id]).collect();
        while let Some(id) = queue.pop() {
            for from in self.before[id].iter().map(|from| *from as usize) {
                if !std::mem::replace(&mut recovers[from], true) {
                    queue.push(from);
                }
            }
        }
        recovers.iter().position(|recovers| !*recovers)
    }

    fn path_to(&self, mut id: usize) -> Vec<&M::Action> {
        let mut path = Vec::new();
        while let Some((from, action)) = &self.found[id] {
            path.push(action);
            id = *from as usize;
        }
        path.reverse();
        path
    }
}

fn hash<S: Hash>(state: &S) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
