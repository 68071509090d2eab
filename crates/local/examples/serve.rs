//! Serves Kinesis and DynamoDB until its standard input is closed.
//!
//! Prints one line, `{"kinesis": URL, "dynamodb": URL}`, once both accept connections. Settings
//! are given as `name=value`: `kinesis-port`, `dynamodb-port`, `journal` (a file that gets every
//! write to a table), `iterator-lifetime-ms`, `next-token-lifetime-ms`, `retention-ms`,
//! `subscription-lifetime-ms`; and how long changes of state take, `creating-ms` (streams and
//! tables), `updating-ms`, `deleting-ms`, `registering-ms` (stream consumers).

use std::error::Error;
use std::io;
use std::time::Duration;

use shardwise_local::{Endpoints, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut options = Options::default();
    for argument in std::env::args().skip(1) {
        set(&mut options, &argument).map_err(|error| format!("`{argument}`: {error}"))?;
    }

    let endpoints = Endpoints::start(options).await?;
    let urls = serde_json::json!({
        "kinesis": endpoints.kinesis_url(),
        "dynamodb": endpoints.dynamodb_url(),
    });
    #[expect(clippy::print_stdout, reason = "the line is what this program is for")]
    {
        println!("{urls}");
    }
    // The endpoints have threads of their own, so this one may block.
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    endpoints.stop().await;
    Ok(())
}

fn set(options: &mut Options, argument: &str) -> Result<(), Box<dyn Error>> {
    let (name, value) = argument.split_once('=').ok_or("not of the form name=value")?;
    let millis = || value.parse().map(Duration::from_millis);
    match name {
        "kinesis-port" => options.kinesis_port = value.parse()?,
        "dynamodb-port" => options.dynamodb_port = value.parse()?,
        "journal" => options.lease_journal = Some(value.into()),
        "iterator-lifetime-ms" => options.streams.iterator_lifetime = millis()?,
        "next-token-lifetime-ms" => options.streams.next_token_lifetime = millis()?,
        "creating-ms" => {
            options.streams.creating = millis()?;
            options.table_creation = millis()?;
        }
        "subscription-lifetime-ms" => options.streams.subscription_lifetime = millis()?,
        "registering-ms" => options.streams.registering = millis()?,
        "updating-ms" => options.streams.updating = millis()?,
        "deleting-ms" => options.streams.deleting = millis()?,
        "retention-ms" => options.streams.retention = millis()?,
        _ => return Err("not a setting".into()),
    }
    Ok(())
}
