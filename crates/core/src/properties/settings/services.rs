//! How a service is reached, where two keys speak of it.

use super::reader::Reader;

/// The keys of a service's endpoint: KCL's own, and that of the SDK's client.
const ENDPOINTS: [[&str; 2]; 2] = [
    ["kinesisEndpoint", "kinesisClient.endpointOverride"],
    ["dynamoDBEndpoint", "dynamoDbClient.endpointOverride"],
];

impl Reader {
    /// Of two keys for one endpoint the later one wins.
    pub(super) fn one_endpoint_a_service(&mut self) {
        let place = |reader: &Self, key| {
            Some((reader.lines.get(key).copied()?, reader.values.get(key)?.clone()))
        };
        for [java, client] in ENDPOINTS {
            match (place(self, java), place(self, client)) {
                (Some(first), Some(second)) => {
                    let differ = first.1 != second.1;
                    let (winner, loser, (line, url)) = if first.0 > second.0 {
                        (java, client, first)
                    } else {
                        (client, java, second)
                    };
                    if differ {
                        let text = format!("passed over: `{winner}` in line {line} wins");
                        self.warn_of(loser, &text);
                        self.outweighed.insert(loser, (winner, url));
                    }
                }
                (None, Some((_, url))) => drop(self.outweighed.insert(java, (client, url))),
                (Some(_) | None, None) => {}
            }
        }
    }
}
