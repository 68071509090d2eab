//! What a worker may have in memory of records that are not processed yet (I33).

use shardwise_core::budget::BATCH;

/// Counts that a worker had more.
pub(crate) const BEYOND: &str = "memory: beyond the byte budget";

/// The most that a worker may have of its budget: all of it, and beside it what each shard may
/// always have, for an answer that was larger than what was reserved for it.
pub(crate) fn most(byte_budget: usize, shards: usize) -> usize {
    byte_budget + shards * BATCH
}

#[cfg(test)]
mod tests {
    use shardwise::Budget;

    use super::*;

    /// What came is larger than what was reserved, and the reader says so.
    #[tokio::test]
    async fn an_answer_of_one_batch_beside_the_budget_is_allowed_and_one_byte_more_is_not() {
        let bytes = 24 << 10;
        let budget = Budget::new(bytes);
        let mut hold = budget.share(usize::MAX).reserve(1).await;
        hold.resize(bytes + BATCH);
        assert!(budget.used() <= most(bytes, 1));
        hold.resize(bytes + BATCH + 1);
        assert!(budget.used() > most(bytes, 1));
    }
}
