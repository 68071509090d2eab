//! Names that are not to be mixed up: each is text, parsed once.

use std::fmt;
use std::sync::Arc;

/// The text was empty where a name was needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name is empty")]
pub struct EmptyName;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes any text that is not empty.
            pub fn new(text: impl AsRef<str>) -> Result<Self, EmptyName> {
                let text = text.as_ref();
                if text.is_empty() { Err(EmptyName) } else { Ok(Self(text.into())) }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name! {
    /// A stream's name.
    StreamName
}
name! {
    /// A shard's id, such as `shardId-000000000007`.
    ShardId
}
name! {
    /// The key of a lease's row. With one stream to an application it is the shard's id.
    LeaseKey
}
name! {
    /// One running instance of the library; unique among the live workers of an application.
    WorkerId
}

impl LeaseKey {
    /// The key of the lease that binds `shard`, for an application with one stream.
    #[must_use]
    pub fn of(shard: &ShardId) -> Self {
        Self(Arc::clone(&shard.0))
    }

    /// The shard that the lease binds, for an application with one stream.
    #[must_use]
    pub fn shard(&self) -> ShardId {
        ShardId(Arc::clone(&self.0))
    }
}

impl WorkerId {
    /// A name that no other worker has, if the bits are random: a version 4 UUID, as Java's.
    #[must_use]
    pub fn from_random(bits: u128) -> Self {
        const FIXED: u128 = 0xf000_c000_0000_0000_0000;
        const VERSION_4: u128 = 0x4000_8000_0000_0000_0000;
        let hex = format!("{:032x}", bits & !FIXED | VERSION_4);
        let text = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_empty() {
        assert_eq!(ShardId::new(""), Err(EmptyName));
        assert_eq!(ShardId::new("shardId-000000000000").unwrap().as_str(), "shardId-000000000000");
    }

    #[test]
    fn a_random_name_is_a_uuid_with_its_version_and_variant() {
        let all = WorkerId::from_random(u128::MAX);
        assert_eq!(all.as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(WorkerId::from_random(0).as_str(), "00000000-0000-4000-8000-000000000000");
    }
}
