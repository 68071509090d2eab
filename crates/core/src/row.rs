//! A lease and its table item, and the conditional writes as text.
