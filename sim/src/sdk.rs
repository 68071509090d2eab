//! Layer L2: the SDK's own clients, over a connector that ends in the local endpoints' handlers.
//!
//! What a worker asks goes through the SDK as in production: written out, signed, sent, its answer
//! read, its errors told apart, its timeouts kept. Only the socket is missing; in its place are the
//! faults of the plan, as HTTP knows them.

mod item;
mod pushing;
mod wire;

use std::sync::{Arc, Mutex, PoisonError};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use shardwise::kinesis::Kinesis;
use shardwise::lease_table::LeaseTable;
use shardwise::{Config, aws};
use shardwise_local::table::{TableWrite, Tables};

use self::wire::{Service, Wire};
use crate::node::Node;
use crate::world::World;

/// What the connector reaches beside the world's streams.
#[derive(Debug)]
pub(crate) struct Services {
    tables: Tables,
    /// What the tables' last call wrote.
    written: Arc<Mutex<Vec<TableWrite>>>,
}

impl Services {
    pub(crate) fn new() -> Self {
        let written = Arc::<Mutex<Vec<TableWrite>>>::default();
        let seen = Arc::clone(&written);
        let tables = Tables::new().expect("a database in memory opens");
        let note = move |write: &TableWrite| lock(&seen).push(write.clone());
        Self { tables: tables.tapped(note), written }
    }

    fn take_written(&self) -> Vec<TableWrite> {
        std::mem::take(&mut *lock(&self.written))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stream and the table of a node's worker.
pub(crate) fn ports(
    world: &Arc<World>,
    node: &Arc<Node>,
    config: &Config,
) -> (Arc<dyn Kinesis>, Arc<dyn LeaseTable>) {
    let sdk = |service| {
        let any = Credentials::new("simulated", "simulated", None, None, "simulation");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(any))
            .http_client(Wire::new(world, node, service))
            .build()
    };
    aws::over(&sdk(Service::Kinesis), &sdk(Service::DynamoDb), config)
}
