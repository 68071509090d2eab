//! take
