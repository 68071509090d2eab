//! A record processor without needs, for `cargo xtask test static`: it answers every message, and
//! says on stderr what it was.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its pipes are what it is for")]

use std::io::stdin;

use serde_json::{Value, json};

fn main() {
    for line in stdin().lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        let action = &message["action"];
        eprintln!("was told to {action}");
        println!("{}", json!({ "action": "status", "responseFor": action }));
    }
}
