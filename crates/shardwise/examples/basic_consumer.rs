//! The basic sample's consumer in Rust: logs each record and checkpoints after each batch.
//!
//! Beside `shardwise local`, with the sample's producer having run:
//!
//! ```text
//! AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1 \
//! AWS_ENDPOINT_URL_KINESIS=http://127.0.0.1:4567 \
//! AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:8000 \
//! cargo run --package shardwise --example basic_consumer -- kclrustsample kclnodejssample
//! ```

use std::error::Error;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::ExitCode;

use async_trait::async_trait;
use shardwise::{
    Checkpointer, Config, InitialPosition, Initialize, ProcessRecords, ProcessorError,
    RecordProcessor, ShardId, StreamName, Worker, WorkerId, aws, with_causes,
};
use tracing::{error, info};

/// Processes one shard.
struct Sample {
    shard: ShardId,
}

#[async_trait]
impl RecordProcessor for Sample {
    async fn initialize(&mut self, input: &Initialize) -> Result<(), ProcessorError> {
        info!(shard = %self.shard, from = %input.checkpoint, "starts");
        Ok(())
    }

    async fn process_records(&mut self, input: &ProcessRecords<'_>) -> Result<(), ProcessorError> {
        for record in input.records {
            let data = String::from_utf8_lossy(&record.data);
            let (sequence, key) = (&record.sequence_number, record.partition_key.as_deref());
            info!(shard = %self.shard, %data, %sequence, key, "record");
        }
        input.checkpointer.checkpoint().await?;
        Ok(())
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        info!(shard = %self.shard, "shard ended");
        checkpointer.checkpoint().await?;
        Ok(())
    }

    async fn shutdown_requested(
        &mut self,
        checkpointer: &Checkpointer,
    ) -> Result<(), ProcessorError> {
        checkpointer.checkpoint().await?;
        Ok(())
    }

    async fn lease_lost(&mut self) -> Result<(), ProcessorError> {
        info!(shard = %self.shard, "lease lost");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match consume().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(error = with_causes(&*error), "consumer ends");
            ExitCode::FAILURE
        }
    }
}

async fn consume() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let application = arguments.next().unwrap_or_else(|| "kclrustsample".to_owned());
    let stream = arguments.next().unwrap_or_else(|| "kclnodejssample".to_owned());

    let random = || RandomState::new().build_hasher().finish();
    let worker_id = WorkerId::from_random(u128::from(random()) << 64 | u128::from(random()));
    let mut config = Config::new(application, StreamName::new(stream)?, worker_id);
    config.initial_position = InitialPosition::TrimHorizon;

    let ports = aws::connect(&aws::Settings::default(), &config).await?;
    let worker = Worker::new(config, ports, random())?;
    let stopper = worker.stopper();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            stopper.stop();
        }
    });
    worker.run(|shard| Box::new(Sample { shard: shard.clone() })).await?;
    Ok(())
}
