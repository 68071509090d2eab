//! Takes Kinesis records apart for programs in other languages: a line of base64 in, a line of JSON
//! out, which is the list of its user records; `null` if it is no aggregate.
#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]

use std::io::{self, BufRead};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use shardwise_core::aggregate::{Reading, read};
use shardwise_core::shard::HashKeyRange;

fn main() -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let data = STANDARD.decode(line?).map_err(io::Error::other)?;
        let told = match read(&data, HashKeyRange::ALL) {
            Reading::Aggregate(aggregate) => {
                let user_records = aggregate.user_records.iter().map(|record| {
                    json!({
                        "sub": record.sub_sequence,
                        "key": *record.partition_key,
                        "hash": record.explicit_hash_key.as_deref(),
                        "data": STANDARD.encode(record.data),
                    })
                });
                user_records.collect()
            }
            Reading::Plain | Reading::Corrupt(_) | Reading::Elsewhere => json!(null),
        };
        println!("{told}");
    }
    Ok(())
}
