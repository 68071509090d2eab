//! Where the daemon can be asked how it is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::SettingsError;
use super::reader::Reader;

const PORT: &str = "shardwise.httpPort";
const ADDRESS: &str = "shardwise.httpAddress";
const TOKEN_FILE: &str = "shardwise.httpTokenFile";
const HOSTS: &str = "shardwise.httpHosts";

/// Where the daemon can be asked how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// The file with the token that is asked for.
    pub token_file: Option<String>,
    /// Names beside those of this machine itself under which it may be asked, in lower case.
    pub hosts: Vec<String>,
}

/// What the keys of it have set so far.
#[derive(Debug, Default)]
pub struct HttpDraft {
    pub(in crate::properties) port: Option<u32>,
    pub(in crate::properties) address: Option<String>,
    pub(in crate::properties) token_file: Option<String>,
    pub(in crate::properties) hosts: Option<String>,
}

impl Reader {
    /// Decides on the port, if there is to be one.
    pub(super) fn http(&mut self, draft: HttpDraft) -> Result<Option<HttpSettings>, SettingsError> {
        let Some(port) = draft.port else {
            self.in_vain(&[ADDRESS, TOKEN_FILE, HOSTS], "no effect without `shardwise.httpPort`");
            return Ok(None);
        };
        let wrong = |key: &str, value: &str, allowed: &str| SettingsError::Wrong {
            line: self.lines.get(key).copied().unwrap_or_default(),
            key: key.to_owned(),
            value: value.to_owned(),
            allowed: allowed.to_owned(),
        };
        let port = u16::try_from(port)
            .map_err(|_| wrong(PORT, &port.to_string(), "a port from 1 to 65535 is needed"))?;
        let ip = match &draft.address {
            None => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Some(text) => text
                .parse()
                .map_err(|_| wrong(ADDRESS, text, "an IP address is needed, such as `0.0.0.0`"))?,
        };
        if !ip.is_loopback() && draft.token_file.is_none() {
            let allowed = "other machines reach this address: set `shardwise.httpTokenFile` too";
            return Err(wrong(ADDRESS, &ip.to_string(), allowed));
        }
        if !ip.is_loopback() {
            self.warn_of(ADDRESS, "other machines reach this, and TLS is for a proxy to add");
        }
        let hosts = draft.hosts.unwrap_or_default().to_lowercase();
        let hosts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
        Ok(Some(HttpSettings {
            address: SocketAddr::new(ip, port),
            token_file: draft.token_file,
            hosts: hosts.map(ToOwned::to_owned).collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{error, settings};
    use super::*;

    #[test]
    fn no_port_is_opened_unless_one_is_named() {
        assert_eq!(settings("").http, None);
        let settings = settings("shardwise.httpAddress = 127.0.0.2");
        assert_eq!(settings.http, None);
        let warning = settings.warnings.iter().find(|it| it.key == ADDRESS);
        assert!(warning.is_some_and(|it| it.text.contains("shardwise.httpPort")));
    }

    #[test]
    fn a_port_is_opened_for_this_machine() {
        let http = settings("shardwise.httpPort = 9464").http.unwrap();
        assert_eq!(http.address.to_string(), "127.0.0.1:9464");
        let more = "shardwise.httpPort = 9464\nshardwise.httpAddress = ::1\n\
                    shardwise.httpHosts = Tunnel, other.example";
        let http = settings(more).http.unwrap();
        assert_eq!(http.address.to_string(), "[::1]:9464");
        assert_eq!(http.hosts, ["tunnel", "other.example"]);
    }

    #[test]
    fn other_machines_need_a_token() {
        let wide = "shardwise.httpPort = 80\nshardwise.httpAddress = 0.0.0.0";
        let error = error(wide);
        assert!(error.contains("line 6") && error.contains("shardwise.httpTokenFile"), "{error}");
        let settings = settings(&format!("{wide}\nshardwise.httpTokenFile = /run/token"));
        assert_eq!(settings.http.unwrap().token_file.as_deref(), Some("/run/token"));
        let warning = settings.warnings.iter().find(|it| it.key == ADDRESS);
        assert!(warning.is_some_and(|it| it.text.contains("TLS")));
    }

    #[test]
    fn what_is_no_port_or_address_is_an_error() {
        for (line, says) in [
            ("shardwise.httpPort = 65536", "1 to 65535"),
            ("shardwise.httpPort = 80\nshardwise.httpAddress = localhost", "an IP address"),
        ] {
            assert!(error(line).contains(says), "{line}");
        }
    }
}
