//! Which entries count: the known ones, and of two spellings of one key the one that wins.

use super::reader::{Reader, hidden};
use super::{Level, SettingsError};
use crate::properties::Entry;
use crate::properties::keys::{self, Found};

impl Reader {
    /// The entries that count: known ones, of each key the last one that Java reads too.
    pub(super) fn known<'a>(
        &mut self,
        entries: &'a [Entry],
    ) -> Result<Vec<(Found, &'a Entry)>, SettingsError> {
        let mut known: Vec<(Found, &Entry)> = Vec::new();
        for entry in entries {
            let Some(found) = keys::find(&entry.key) else {
                self.unknown(entry)?;
                continue;
            };
            if let Some(at) = known.iter().position(|(other, _)| other.key.name == found.key.name) {
                let (other, earlier) = known[at];
                if found.ignored_by_java && !other.ignored_by_java {
                    self.loses(entry, earlier);
                    continue;
                }
                known.remove(at);
                self.loses(earlier, entry);
            }
            self.lines.insert(found.key.name, entry.line);
            known.push((found, entry));
        }
        self.leave_the_position_to_java(&mut known);
        Ok(known)
    }

    fn loses(&mut self, entry: &Entry, winner: &Entry) {
        let text = format!("passed over: `{}` in line {} wins", winner.key, winner.line);
        self.warn(entry, Level::Warning, text);
    }

    /// The date wins over the position, but not one in a spelling that Java passes over: the same
    /// file must start at the same place in both.
    fn leave_the_position_to_java(&mut self, known: &mut Vec<(Found, &Entry)>) {
        const DATE: &str = "initialPositionInStreamExtended";
        let is = |name| move |(found, _): &(Found, &Entry)| found.key.name == name;
        let position = known.iter().copied().find(is("initialPositionInStream"));
        let date = known.iter().position(|one| is(DATE)(one) && one.0.ignored_by_java);
        if let (Some((position, winner)), Some(at)) = (position, date)
            && !position.ignored_by_java
        {
            let (_, date) = known.remove(at);
            self.lines.remove(DATE);
            self.loses(date, winner);
        }
    }

    fn unknown(&mut self, entry: &Entry) -> Result<(), SettingsError> {
        const CLIENTS: [&str; 6] = [
            "kinesisClient.",
            "dynamoDbClient.",
            "cloudWatchClient.",
            "kinesisCredentialsProvider.",
            "dynamoDBCredentialsProvider.",
            "cloudWatchCredentialsProvider.",
        ];
        if CLIENTS.iter().any(|client| entry.key.starts_with(client)) {
            let allowed = "of a client `region`, `endpointOverride`, `fipsEnabled`, \
                           `dualstackEnabled`, `defaultsMode` and two times of \
                           `overrideConfiguration` are known, of DynamoDB's \
                           `accountIdEndpointMode` and `endpointDiscoveryEnabled` too, of a \
                           credentials provider `class` and `profileName`";
            return Err(hidden(entry, allowed));
        }
        let hint = match keys::nearest(&entry.key) {
            Some(known) => {
                self.misspelt.push((known, entry.key.clone(), entry.line));
                format!("; is `{known}` meant?")
            }
            None => String::new(),
        };
        self.warn(entry, Level::Warning, format!("unknown key, passed over{hint}"));
        Ok(())
    }
}
