//! Which shards there are: small families, and sets of their members.

/// One shard of a family, by its place in the order of their beginnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Shard(pub(crate) u8);

impl Shard {
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// How many shards a family has at most.
pub(crate) const SHARDS_MAX: usize = 4;

/// A set of shards, or of the two halves of the hash keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Set(u8);

impl Set {
    pub(crate) fn has(self, shard: Shard) -> bool {
        self.0 & (1 << shard.0) != 0
    }

    pub(crate) fn add(&mut self, shard: Shard) {
        self.0 |= 1 << shard.0;
    }

    pub(crate) fn contains_all(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Shard> for Set {
    fn from_iter<I: IntoIterator<Item = Shard>>(shards: I) -> Self {
        let mut set = Self::default();
        shards.into_iter().for_each(|shard| set.add(shard));
        set
    }
}

/// A family: what is resharded, and into what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lineage {
    size: u8,
    parents: [Set; SHARDS_MAX],
    /// After how many reshards each begins.
    born: [u8; SHARDS_MAX],
    /// Which halves of the hash keys each takes.
    halves: [Set; SHARDS_MAX],
}

const NONE: Set = Set(0);
const LOW: Set = Set(1);
const HIGH: Set = Set(2);
const BOTH: Set = Set(3);

impl Lineage {
    /// Shard 0 is split into 1 and 2.
    pub(crate) const SPLIT: Self = Self {
        size: 3,
        parents: [NONE, Set(1), Set(1), NONE],
        born: [0, 1, 1, 0],
        halves: [BOTH, LOW, HIGH, NONE],
    };

    /// Shards 0 and 1 are merged into 2.
    pub(crate) const MERGE: Self = Self {
        size: 3,
        parents: [NONE, NONE, Set(3), NONE],
        born: [0, 0, 1, 0],
        halves: [LOW, HIGH, BOTH, NONE],
    };

    /// Shard 0 is split into 1 and 2, which are merged into 3.
    pub(crate) const DIAMOND: Self = Self {
        size: 4,
        parents: [NONE, Set(1), Set(1), Set(6)],
        born: [0, 1, 1, 2],
        halves: [BOTH, LOW, HIGH, BOTH],
    };

    pub(crate) fn shards(&self) -> impl DoubleEndedIterator<Item = Shard> + use<> {
        (0..self.size).map(Shard)
    }

    pub(crate) fn is_born(&self, shard: Shard, reshards: u8) -> bool {
        self.born[shard.index()] <= reshards
    }

    /// How often this family is resharded.
    pub(crate) fn reshards(&self) -> u8 {
        self.born.into_iter().max().unwrap_or(0)
    }

    pub(crate) fn parents(&self, shard: Shard) -> impl Iterator<Item = Shard> + use<> {
        let parents = self.parents[shard.index()];
        self.shards().filter(move |parent| parents.has(*parent))
    }

    pub(crate) fn children(&self, shard: Shard) -> impl Iterator<Item = Shard> + use<> {
        let parents = self.parents;
        self.shards().filter(move |child| parents[child.index()].has(shard))
    }

    pub(crate) fn is_closed(&self, shard: Shard, reshards: u8) -> bool {
        self.children(shard).any(|child| self.is_born(child, reshards))
    }

    /// Whether it takes the lower and the upper half of the hash keys.
    pub(crate) fn takes_halves(&self, shard: Shard) -> (bool, bool) {
        let halves = self.halves[shard.index()];
        (halves.contains_all(LOW), halves.contains_all(HIGH))
    }

    /// Whether these shards take all hash keys.
    pub(crate) fn is_covered(&self, by: impl Iterator<Item = Shard>) -> bool {
        by.fold(NONE, |covered, shard| covered.union(self.halves[shard.index()])) == BOTH
    }
}
