//! Values as people write them, and what Java would have made of them.

/// A value that was understood, and how Java would have misread it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Understood<T> {
    pub(super) value: T,
    pub(super) java_reads: Option<&'static str>,
}

impl<T> Understood<T> {
    fn plain(value: T) -> Self {
        Self { value, java_reads: None }
    }
}

/// A whole number. Java knows plain decimal digits with a sign; everything else it reads as 0.
pub(super) fn integer(text: &str) -> Option<Understood<i64>> {
    let text = text.trim();
    if let Ok(value) = text.parse() {
        return Some(Understood::plain(value));
    }
    let value = hexadecimal(text).or_else(|| grouped(text)).or_else(|| scientific(text))?;
    Some(Understood { value, java_reads: Some("0") })
}

fn hexadecimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    i64::from_str_radix(digits, 16).ok()
}

fn grouped(text: &str) -> Option<i64> {
    let groups: Vec<_> = text.split('_').collect();
    let (first, rest) = groups.split_first()?;
    let digits = |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
    let first = first.strip_prefix(['+', '-']).unwrap_or(first);
    if rest.is_empty() || !digits(first) || !rest.iter().all(|group| digits(group)) {
        return None;
    }
    groups.concat().parse().ok()
}

/// Such as `1e3` or `10.0`: a number with a whole value.
fn scientific(text: &str) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    if number.fract() != 0.0 || number.abs() > EXACT {
        return None;
    }
    format!("{number:.0}").parse().ok()
}

/// Yes or no. Java minds white space at the end, and then reads no.
pub(super) fn flag(text: &str) -> Option<Understood<bool>> {
    let word = text.trim();
    let is = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    let value = if is(&["true", "yes", "y", "on", "1"]) {
        true
    } else if is(&["false", "no", "n", "off", "0"]) {
        false
    } else {
        return None;
    };
    let misread = value && word.len() != text.len();
    Some(Understood { value, java_reads: misread.then_some("false") })
}

/// `key=value` pairs, or the pair that is none.
pub(super) fn tags(text: &str) -> Result<Vec<(String, String)>, String> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').ok_or_else(|| pair.to_owned())?;
            match (key.trim(), value.trim()) {
                ("", _) => Err(pair.to_owned()),
                (key, value) => Ok((key.to_owned(), value.to_owned())),
            }
        })
        .collect()
}

/// The host of an `http://` or `https://` address, and whether it is encrypted.
pub(super) fn endpoint(url: &str) -> Option<(&str, bool)> {
    let (rest, encrypted) = match url.strip_prefix("https://") {
        Some(rest) => (rest, true),
        None => (url.strip_prefix("http://")?, false),
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    if url.contains(char::is_whitespace) || authority.contains('@') {
        return None;
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port_ok = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (!host.is_empty() && port_ok).then_some((host, encrypted))
}

/// Whether what is sent to an endpoint leaves this machine as anyone can read it.
#[must_use]
pub fn is_in_clear(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    // What cannot be read is not known to be safe.
    endpoint(&lower).is_none_or(|(host, encrypted)| !encrypted && !is_loopback(host))
}

/// An address as it may be shown: what stands before an `@` may be a password.
#[must_use]
pub fn without_user(url: &str) -> String {
    let (scheme, rest) = url.split_at(url.find("://").map_or(0, |at| at + 3));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}...{}", &rest[at..]),
        None => url.to_owned(),
    }
}

/// Whether a host name or address means this machine.
fn is_loopback(host: &str) -> bool {
    if let Ok(address) = host.parse::<std::net::IpAddr>() {
        return address.is_loopback();
    }
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// Whether it can be a region's name, which becomes part of host names.
pub(crate) fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// The region and the name in a stream's ARN.
pub(super) fn stream_arn(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let mut next = || parts.next();
    let (scheme, partition, service) = (next()?, next()?, next()?);
    let (region, account, resource) = (next()?, next()?, next()?);
    let name = resource.strip_prefix("stream/")?;
    let account_ok = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let all_ok = scheme == "arn"
        && partition.starts_with("aws")
        && service == "kinesis"
        && is_region(region)
        && account_ok
        && !name.is_empty();
    all_ok.then_some((region, name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_that_java_knows_are_read_alike() {
        for (text, value) in [("7", 7), (" +7 ", 7), ("-7", -7), ("007", 7)] {
            assert_eq!(integer(text), Some(Understood::plain(value)), "{text}");
        }
    }

    #[test]
    fn numbers_that_java_reads_as_zero_mean_what_they_say() {
        for (text, value) in [("5_000", 5_000), ("0x10", 16), ("1e3", 1_000), ("10.0", 10)] {
            let read = integer(text).unwrap();
            assert_eq!((read.value, read.java_reads), (value, Some("0")), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "",
            "abc",
            "1,5",
            "1.5",
            "1e-1",
            "_5",
            "5_",
            "5__0",
            "0x",
            "1s",
            "NaN",
            "1e400",
            "-",
            "9223372036854775808",
            "0x-1",
            "inf",
        ] {
            assert_eq!(integer(text), None, "{text:?}");
        }
    }

    #[test]
    fn yes_and_no_have_five_words_each() {
        assert_eq!(flag("On"), Some(Understood::plain(true)));
        assert_eq!(flag("n "), Some(Understood::plain(false)));
        assert_eq!(flag("true ").unwrap().java_reads, Some("false"));
        assert_eq!(flag("wahr"), None);
        assert_eq!(flag(""), None);
    }

    #[test]
    fn tags_are_pairs() {
        let tags = |text| tags(text).map(|tags| tags.len());
        assert_eq!(tags("a=1, b = 2,"), Ok(2));
        assert_eq!(tags("a=1=2"), Ok(1));
        assert_eq!(tags("a=1,b"), Err("b".to_owned()));
        assert_eq!(tags("=1"), Err("=1".to_owned()));
    }

    #[test]
    fn endpoints_have_a_scheme_and_a_host() {
        assert_eq!(endpoint("http://127.0.0.1:4567"), Some(("127.0.0.1", false)));
        assert_eq!(endpoint("https://[::1]:1/x"), Some(("::1", true)));
        for text in
            ["localhost:4567", "http://", "http://:80", "ftp://a", "http://a b", "http://u@a"]
        {
            assert_eq!(endpoint(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_sent_to_another_machine_without_tls_is_in_clear() {
        for url in ["http://10.0.0.5:4318", "HTTP://10.0.0.5:4318", "http://u@a", "nonsense"] {
            assert!(is_in_clear(url), "{url}");
        }
        for url in ["https://a", "HTTPS://A", "http://localhost:4318", "http://127.0.0.1"] {
            assert!(!is_in_clear(url), "{url}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "LOCALHOST", "a.localhost", "127.9.9.9", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example.org", "127.example.org", "10.0.0.1", "0.0.0.0"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn an_arn_names_a_stream() {
        let arn = "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/orders";
        assert_eq!(stream_arn(arn), Some(("cn-north-1", "orders")));
        for arn in [
            "arn:aws:kinesis:us-east-1:123456789012:stream/",
            "arn:aws:kinesis:us-east-1:12345:stream/orders",
            "arn:aws:kinesis::123456789012:stream/orders",
            "arn:aws:firehose:us-east-1:123456789012:stream/orders",
            "arn:aws:kinesis:us-east-1:123456789012:orders",
            "orders",
        ] {
            assert_eq!(stream_arn(arn), None, "{arn}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_panic(text: String) {
            let _ = (integer(&text), flag(&text), tags(&text), endpoint(&text), stream_arn(&text));
        }
    }
}
