//! An answer to GetRecords, with an eye on what the SDK makes up where it is absent.

use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::{Intercept, context};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use shardwise_core::answer;

/// Refuses an answer that lacks its records, or the data of one: taken for an empty one it would
/// have them skipped.
#[derive(Debug)]
pub(super) struct CheckRecords;

impl Intercept for CheckRecords {
    fn name(&self) -> &'static str {
        "CheckRecords"
    }

    fn read_after_deserialization(
        &self,
        answered: &context::AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let output = answered.output_or_error().ok();
        let output = output.and_then(|output| output.downcast_ref::<GetRecordsOutput>());
        // The body is read a second time only where something may be absent.
        if output.is_some_and(has_nothing)
            && let Some(body) = answered.response().body().bytes()
        {
            answer::check_records(body)?;
        }
        Ok(())
    }
}

fn has_nothing(output: &GetRecordsOutput) -> bool {
    let records = output.records();
    records.is_empty() || records.iter().any(|record| record.data().as_ref().is_empty())
}
