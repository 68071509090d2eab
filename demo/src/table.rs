//! The lease table, as an operator sees it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::Error;

/// A lease table.
#[derive(Clone, Debug)]
pub struct Table {
    /// The client that all calls go through.
    pub client: Client,
    /// Its name: the application's.
    pub name: String,
}

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The shard.
    pub shard: String,
    /// The worker that holds it.
    pub owner: Option<String>,
    /// Up to where the shard is processed.
    pub checkpoint: String,
}

impl Table {
    /// Every lease; none while there is no table.
    ///
    /// # Errors
    ///
    /// When the scan fails.
    pub async fn leases(&self) -> Result<Vec<Lease>, Error> {
        let mut leases = Vec::new();
        let mut next = None;
        loop {
            let request = self.client.scan().table_name(&self.name).consistent_read(true);
            let answer = request.set_exclusive_start_key(next).send().await;
            let answer = match answer.map_err(|error| Error::call("Scan", &error)) {
                Err(error) if error.is_code("ResourceNotFoundException") => return Ok(leases),
                answer => answer?,
            };
            for item in answer.items.unwrap_or_default() {
                let text = |name: &str| match item.get(name) {
                    Some(AttributeValue::S(text)) => Some(text.clone()),
                    _ => None,
                };
                // Rows without a checkpoint are none of leases.
                if let (Some(shard), Some(checkpoint)) = (text("leaseKey"), text("checkpoint")) {
                    leases.push(Lease { shard, owner: text("leaseOwner"), checkpoint });
                }
            }
            next = answer.last_evaluated_key;
            if next.is_none() {
                leases.sort_by(|a, b| a.shard.cmp(&b.shard));
                return Ok(leases);
            }
        }
    }
}
