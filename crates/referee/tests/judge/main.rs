//! The referee against runs that keep the rules, and runs with one planted fault each.

#[cfg(test)]
mod clean;
#[cfg(test)]
mod files;
#[cfg(test)]
mod large;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod planted_in_aggregates;
#[cfg(test)]
mod planted_in_calls;
#[cfg(test)]
mod planted_in_leases;
#[cfg(test)]
mod planted_in_quiet;
#[cfg(test)]
mod planted_in_retention;
#[cfg(test)]
mod random;
#[cfg(test)]
mod story;
