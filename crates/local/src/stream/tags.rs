//! Tags of a stream.

use std::collections::BTreeMap;

use super::{ServiceError, Streams, Timestamp};

const TAGS_MAX: usize = 50;

impl Streams {
    /// Adds tags, or gives them new values.
    pub fn add_tags(
        &mut self,
        stream: &str,
        tags: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        self.advance(now);
        let stream = self.stream(stream)?;
        let added = tags.keys().filter(|key| !stream.tags.contains_key(*key)).count();
        if stream.tags.len() + added > TAGS_MAX {
            return Err(ServiceError::InvalidArgument(format!(
                "Failed to add tags to stream {} under account {} because a given stream cannot \
                 have more than {TAGS_MAX} tags associated with it.",
                stream.name, stream.account
            )));
        }
        stream.tags.extend(tags);
        Ok(())
    }

    /// Removes tags; those that are not there are not missed.
    pub fn remove_tags(
        &mut self,
        stream: &str,
        keys: &[String],
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        self.advance(now);
        let stream = self.stream(stream)?;
        stream.tags.retain(|key, _| !keys.contains(key));
        Ok(())
    }

    /// The stream's tags in the order of their keys.
    pub fn tags(
        &mut self,
        stream: &str,
        now: Timestamp,
    ) -> Result<BTreeMap<String, String>, ServiceError> {
        self.advance(now);
        Ok(self.stream(stream)?.tags.clone())
    }
}
