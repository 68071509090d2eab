//! Who may ask for what: a browser reaches this machine, and sends what any web page tells it to.

use hyper::header::{AUTHORIZATION, HOST, ORIGIN};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Uri, Version};
use subtle::ConstantTimeEq as _;

const FETCH_SITE: &str = "sec-fetch-site";
/// Names of this machine, for itself.
const OWN_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// A token that nobody guesses: 128 bits, six in each letter.
const TOKEN_CHARS_MIN: usize = 22;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Healthz,
    Readyz,
    Metrics,
    Status,
}

impl Page {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Healthz),
            "/readyz" => Some(Self::Readyz),
            "/metrics" => Some(Self::Metrics),
            "/status.json" => Some(Self::Status),
            _ => None,
        }
    }

    /// Whether it tells no more than one word, which anybody may have.
    fn is_open(self) -> bool {
        matches!(self, Self::Healthz | Self::Readyz)
    }
}

/// The token that whoever asks must know.
pub(super) struct Token(String);

impl Token {
    /// The token that a file holds, if it is one that nobody guesses.
    pub(super) fn of_file(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.len() < TOKEN_CHARS_MIN {
            return Err(
                "a token of 22 characters at the least is needed, as `openssl rand -hex 16` \
                        makes one",
            );
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a token is of letters, digits and signs, without white space");
        }
        Ok(Self(text.to_owned()))
    }

    fn is_in(&self, authorization: &[u8]) -> bool {
        let (scheme, token) = authorization.split_at_checked(7).unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"bearer ") && self.0.as_bytes().ct_eq(token).into()
    }
}

/// Who may ask.
pub(super) struct Admission {
    /// Names beside those of this machine itself.
    pub(super) hosts: Vec<String>,
    pub(super) token: Option<Token>,
}

impl Admission {
    /// What is asked for, or the status that refuses it.
    pub(super) fn admit(&self, asked: &Parts) -> Result<Page, StatusCode> {
        if asked.uri.authority().is_some() {
            // To a proxy one would say so.
            return Err(StatusCode::MISDIRECTED_REQUEST);
        }
        let page = Page::at(asked.uri.path());
        if page.is_some_and(Page::is_open) {
            return only_read(asked).and(page.ok_or(StatusCode::NOT_FOUND));
        }
        if asked.version != Version::HTTP_11 {
            return Err(StatusCode::HTTP_VERSION_NOT_SUPPORTED);
        }
        match &self.token {
            Some(token)
                if !one(asked, AUTHORIZATION.as_str()).is_some_and(|it| token.is_in(it)) =>
            {
                return Err(StatusCode::UNAUTHORIZED);
            }
            Some(_) => {}
            None if !self.is_for_us(asked) => return Err(StatusCode::MISDIRECTED_REQUEST),
            None => {}
        }
        if is_from_another_site(asked) {
            return Err(StatusCode::FORBIDDEN);
        }
        only_read(asked)?;
        page.ok_or(StatusCode::NOT_FOUND)
    }

    /// Whether it is a name of ours that it was sent to: a web page can have its own name resolve
    /// to this machine.
    fn is_for_us(&self, asked: &Parts) -> bool {
        let Some(host) = one(asked, HOST.as_str()).and_then(|host| str::from_utf8(host).ok())
        else {
            return false;
        };
        let Ok(authority) = host.parse::<Uri>() else { return false };
        let Some(authority) = authority.authority() else { return false };
        let name = authority.host().to_lowercase();
        // Nothing but a name and a port.
        let port = authority.as_str().strip_prefix(authority.host());
        let is_bare = port.is_some_and(|port| {
            port.is_empty()
                || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        });
        is_bare && (OWN_HOSTS.contains(&&*name) || self.hosts.contains(&name))
    }
}

/// Only what changes nothing is answered.
fn only_read(asked: &Parts) -> Result<(), StatusCode> {
    if asked.method == Method::GET || asked.method == Method::HEAD {
        Ok(())
    } else {
        Err(StatusCode::METHOD_NOT_ALLOWED)
    }
}

/// Whether a browser says that another site's page had it ask.
fn is_from_another_site(asked: &Parts) -> bool {
    let has_own_origin = || {
        let origin = one(asked, ORIGIN.as_str()).and_then(|it| it.strip_prefix(b"http://"));
        origin.is_some_and(|origin| Some(origin) == one(asked, HOST.as_str()))
    };
    let site = asked.headers.get_all(FETCH_SITE).iter();
    let is_other =
        |site: &hyper::header::HeaderValue| !matches!(site.as_bytes(), b"same-origin" | b"none");
    (asked.headers.contains_key(ORIGIN) && !has_own_origin()) || site.into_iter().any(is_other)
}

/// A header's value, if it is there once.
fn one<'a>(asked: &'a Parts, name: &str) -> Option<&'a [u8]> {
    let mut values = asked.headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn admission(hosts: &[&str], token: Option<&str>) -> Admission {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Admission { hosts, token: token.map(|token| Token::of_file(token).ok().unwrap()) }
    }

    /// A request as its first line says, with these headers.
    fn asked(line: &str, headers: &[(&str, &str)]) -> Parts {
        let (method, uri) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    const OWN: (&str, &str) = ("host", "localhost:9464");

    #[test]
    fn this_machine_may_ask_for_everything_by_its_own_names() {
        let admission = admission(&["tunnel"], None);
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:9464", "[::1]:9464", "tunnel:80"] {
            for (path, page) in [("/metrics", Page::Metrics), ("/status.json?x=1", Page::Status)] {
                for method in ["GET", "HEAD"] {
                    let asked = asked(&format!("{method} {path}"), &[("host", host)]);
                    assert_eq!(admission.admit(&asked), Ok(page), "{method} {path} of {host}");
                }
            }
        }
        let own_page =
            [OWN, ("origin", "http://localhost:9464"), ("sec-fetch-site", "same-origin")];
        assert_eq!(admission.admit(&asked("GET /metrics", &own_page)), Ok(Page::Metrics));
        let typed = [OWN, ("sec-fetch-site", "none")];
        assert_eq!(admission.admit(&asked("GET /metrics", &typed)), Ok(Page::Metrics));
    }

    #[test]
    fn names_that_are_not_ours_are_refused() {
        let admission = admission(&["tunnel"], None);
        for host in [
            "evil.example",
            "localhost.evil.example",
            "evil.example:9464",
            "127.0.0.2",
            "0.0.0.0",
            "[::]",
            "localhost@evil.example",
            "evil@localhost",
            "",
            "localhost evil",
            "127.1",
            "2130706433",
            "tunnel.evil.example",
            "xn--localhost",
            "localhost:port",
        ] {
            let refused = admission.admit(&asked("GET /status.json", &[("host", host)]));
            assert_eq!(refused, Err(StatusCode::MISDIRECTED_REQUEST), "{host}");
        }
        for headers in [&[][..], &[OWN, OWN], &[OWN, ("host", "evil.example")]] {
            let refused = admission.admit(&asked("GET /status.json", headers));
            assert_eq!(refused, Err(StatusCode::MISDIRECTED_REQUEST), "{headers:?}");
        }
        let absolute = asked("GET http://localhost:9464/status.json", &[OWN]);
        assert_eq!(admission.admit(&absolute), Err(StatusCode::MISDIRECTED_REQUEST));
    }

    #[test]
    fn what_another_site_has_a_browser_ask_is_refused() {
        for headers in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:1"),
            ("origin", "https://localhost:9464"),
            ("origin", ""),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "SAME-ORIGIN"),
            ("sec-fetch-site", ""),
        ] {
            for admission in [admission(&[], None), admission(&[], Some(TOKEN))] {
                let bearer = ("authorization", &*format!("Bearer {TOKEN}"));
                let refused = admission.admit(&asked("GET /metrics", &[OWN, bearer, headers]));
                assert_eq!(refused, Err(StatusCode::FORBIDDEN), "{headers:?}");
            }
        }
        let both = [OWN, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")];
        let refused = admission(&[], None).admit(&asked("GET /metrics", &both));
        assert_eq!(refused, Err(StatusCode::FORBIDDEN));
        let origins = [OWN, ("origin", "http://localhost:9464"), ("origin", "http://evil")];
        let refused = admission(&[], None).admit(&asked("GET /metrics", &origins));
        assert_eq!(refused, Err(StatusCode::FORBIDDEN));
    }

    #[test]
    fn nothing_but_reading_is_answered() {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get"] {
            for path in ["/metrics", "/healthz", "/nothing"] {
                let refused =
                    admission(&[], None).admit(&asked(&format!("{method} {path}"), &[OWN]));
                assert_eq!(refused, Err(StatusCode::METHOD_NOT_ALLOWED), "{method} {path}");
            }
        }
        let mut old = asked("GET /metrics", &[OWN]);
        old.version = Version::HTTP_10;
        let refused = admission(&[], None).admit(&old);
        assert_eq!(refused, Err(StatusCode::HTTP_VERSION_NOT_SUPPORTED));
        for path in ["/", "/metrics/", "//metrics", "/STATUS.JSON", "/../metrics", "*"] {
            let refused = admission(&[], None).admit(&asked(&format!("GET {path}"), &[OWN]));
            assert_eq!(refused, Err(StatusCode::NOT_FOUND), "{path}");
        }
    }

    #[test]
    fn a_token_replaces_the_names_and_is_asked_for() {
        let admission = admission(&[], Some(TOKEN));
        let far = ("host", "10.1.2.3:9464");
        for (authorization, is_known) in [
            (format!("Bearer {TOKEN}"), true),
            (format!("bearer {TOKEN}"), true),
            (format!("Bearer  {TOKEN}"), false),
            (format!("Bearer {TOKEN}0"), false),
            (format!("Basic {TOKEN}"), false),
            (TOKEN.to_owned(), false),
            ("Bearer ".to_owned(), false),
            (String::new(), false),
        ] {
            let asked = asked("GET /status.json", &[far, ("authorization", &authorization)]);
            let expected = if is_known { Ok(Page::Status) } else { Err(StatusCode::UNAUTHORIZED) };
            assert_eq!(admission.admit(&asked), expected, "{authorization}");
        }
        let bearer = format!("Bearer {TOKEN}");
        let twice = [OWN, ("authorization", &*bearer), ("authorization", &*bearer)];
        let refused = admission.admit(&asked("GET /status.json", &twice));
        assert_eq!(refused, Err(StatusCode::UNAUTHORIZED));
        assert_eq!(admission.admit(&asked("GET /metrics", &[])), Err(StatusCode::UNAUTHORIZED));
    }

    /// A header's value: one that matters, or any.
    fn value(known: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
        let known = prop::sample::select(known).prop_map(|text| text.as_bytes().to_vec());
        let any = prop::collection::vec(prop_oneof![0x20..=0x7e_u8, 0x80..=0xff_u8], 0..24);
        prop_oneof![3 => known, 1 => any]
    }

    /// A request of any kind, to an absolute path.
    fn any_request() -> impl Strategy<Value = Parts> {
        const HOSTS: &[&str] =
            &["localhost", "LocalHost:9464", "tunnel", "[::1]:1", "evil.example", "localhost:x"];
        const ORIGINS: &[&str] = &["http://localhost", "http://tunnel", "http://evil", "null"];
        const TOKENS: &[&str] =
            &["Bearer 0123456789abcdef0123456789abcdef", "bearer 0123456789abcdef", "Basic x"];
        let header = prop_oneof![
            4 => value(HOSTS).prop_map(|value| ("host", value)),
            1 => value(ORIGINS).prop_map(|value| ("origin", value)),
            1 => value(&["same-origin", "none", "cross-site"]).prop_map(|it| (FETCH_SITE, it)),
            2 => value(TOKENS).prop_map(|value| ("authorization", value)),
        ];
        let paths = prop::sample::select(vec!["/metrics", "/status.json", "/status.json?a", "/x"]);
        let methods = prop::sample::select(vec!["GET", "HEAD", "POST", "OPTIONS"]);
        let versions = prop::sample::select(vec![Version::HTTP_11, Version::HTTP_10]);
        let headers = prop::collection::vec(header, 0..4);
        (methods, paths, versions, headers).prop_map(|(method, path, version, headers)| {
            let mut parts = asked(&format!("{method} {path}"), &[]);
            parts.version = version;
            for (name, value) in headers {
                parts.headers.append(name, value.as_slice().try_into().unwrap());
            }
            parts
        })
    }

    /// The rules once more, on texts.
    fn may_ask(asked: &Parts, hosts: &[&str], token: Option<&str>) -> bool {
        let all = |name: &str| -> Vec<String> {
            let values = asked.headers.get_all(name).iter();
            values.map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned()).collect()
        };
        let (host, origins) = (all("host"), all("origin"));
        let is_known = match token {
            Some(token) => {
                let bearers = [format!("Bearer {token}"), format!("bearer {token}")];
                matches!(&all("authorization")[..], [one] if bearers.contains(one))
            }
            None => match &host[..] {
                [host] => {
                    let host = host.to_lowercase();
                    let name = match host.rsplit_once(':') {
                        Some((name, port)) if port.parse::<u16>().is_ok() => name,
                        _ => &host,
                    };
                    OWN_HOSTS.contains(&name) || hosts.contains(&name)
                }
                _ => false,
            },
        };
        let is_own_origin = match (&origins[..], &host[..]) {
            ([], _) => true,
            ([origin], [host]) => *origin == format!("http://{host}"),
            _ => false,
        };
        let sites = all(FETCH_SITE);
        let is_own_site = sites.iter().all(|site| site == "same-origin" || site == "none");
        let is_read = asked.method == Method::GET || asked.method == Method::HEAD;
        is_known && is_own_origin && is_own_site && is_read && asked.version == Version::HTTP_11
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn whatever_is_asked_only_what_may_be_is_answered(
            request in any_request(),
            has_token in any::<bool>(),
        ) {
            let token = has_token.then_some(TOKEN);
            let admitted = admission(&["tunnel"], token).admit(&request);
            let is_there = request.uri.path() != "/x";
            let expected = is_there && may_ask(&request, &["tunnel"], token);
            prop_assert_eq!(admitted.is_ok(), expected, "{:?}", request);
        }
    }

    #[test]
    fn one_word_is_for_everybody() {
        for admission in [admission(&[], None), admission(&[], Some(TOKEN))] {
            for (path, page) in [("/healthz", Page::Healthz), ("/readyz", Page::Readyz)] {
                let mut asked = asked(&format!("GET {path}"), &[("host", "10.1.2.3")]);
                asked.version = Version::HTTP_10;
                assert_eq!(admission.admit(&asked), Ok(page));
            }
        }
    }

    #[test]
    fn a_token_that_can_be_guessed_is_none() {
        for text in ["", "secret", "0123456789abcdef01234", "two words of enough characters"] {
            assert!(Token::of_file(text).is_err(), "{text}");
        }
        assert!(Token::of_file(&format!("  {TOKEN}\n")).is_ok());
    }
}
