//! The largest record there is, from the stream to a child.

use std::collections::BTreeSet;

use crate::world::{STREAM, World, data};

const LARGEST_KIB: i32 = 10 * 1024;
const KEY: &str = "key";

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_ten_mebibytes_reaches_a_child_by_polling_and_by_fan_out() {
    let bytes = usize::try_from(LARGEST_KIB).unwrap() * 1024 - KEY.len();
    for mode in ["POLLING", "FANOUT"] {
        let world = World::new(1).await;
        let summary = world.kinesis.describe_stream_summary().stream_name(STREAM);
        let arn = summary.send().await.unwrap().stream_description_summary.unwrap().stream_arn;
        let larger = world.kinesis.update_max_record_size().stream_arn(arn);
        larger.max_record_size_in_kib(LARGEST_KIB).send().await.unwrap();
        let record = "x".repeat(bytes);
        let put = world.kinesis.put_record().stream_name(STREAM).partition_key(KEY);
        put.data(record.clone().into_bytes().into()).send().await.unwrap();

        let daemon = world.daemon("", &format!("retrievalMode = {mode}"));
        let mut records = BTreeSet::from([record]);
        world.until_processed(&daemon, &records).await;
        records.extend(world.put("behind-it", 1).await);
        world.until_processed(&daemon, &records).await;
        assert_eq!(daemon.stop().await, 0);
        assert_eq!(data(&world.journal()).len(), 2, "each once");
    }
}
