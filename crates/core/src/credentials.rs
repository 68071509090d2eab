//! Where AWS credentials come from, as a properties file says it.
//!
//! The value is a list of Java class names, separated by commas; arguments follow a name behind
//! `|`. The names of SDK 2.x, those of SDK 1.x, and both with their packages are known.

use crate::properties::is_region;

/// One source of credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The SDK's own chain: environment, profile, web identity, container, instance.
    Default,
    /// `AWS_ACCESS_KEY_ID` and its companions.
    Environment,
    /// A profile of the shared files: this one, or the one that the environment names.
    Profile(Option<String>),
    /// A token file and a role, named by the environment.
    WebIdentity,
    /// The endpoint of ECS or of EKS Pod Identity.
    Container,
    /// The metadata service of EC2.
    InstanceProfile,
    /// None: requests are not signed.
    Anonymous,
    /// Another role, with the default chain as the source.
    AssumeRole(AssumeRole),
}

impl Provider {
    /// What it is called in a properties file; of a role no more than its ARN.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Default => "DefaultCredentialsProvider".to_owned(),
            Self::Environment => "EnvironmentVariableCredentialsProvider".to_owned(),
            Self::Profile(None) => "ProfileCredentialsProvider".to_owned(),
            Self::Profile(Some(profile)) => format!("ProfileCredentialsProvider|{profile}"),
            Self::WebIdentity => "WebIdentityTokenFileCredentialsProvider".to_owned(),
            Self::Container => "ContainerCredentialsProvider".to_owned(),
            Self::InstanceProfile => "InstanceProfileCredentialsProvider".to_owned(),
            Self::Anonymous => "AnonymousCredentialsProvider".to_owned(),
            Self::AssumeRole(role) => {
                format!("StsAssumeRoleCredentialsProvider|{}", role.role_arn)
            }
        }
    }
}

/// A role to assume through STS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumeRole {
    /// The role's ARN.
    pub role_arn: String,
    /// The session's name.
    pub session_name: String,
    /// The external id, if the role asks for one.
    pub external_id: Option<String>,
    /// The region of STS, if it is named.
    pub region: Option<String>,
    /// The endpoint of STS, if it is named.
    pub endpoint: Option<String>,
}

/// What a value was found to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Providers {
    /// The sources, in order: the first that has credentials is used.
    pub providers: Vec<Provider>,
    /// What was passed over, and why.
    pub notes: Vec<String>,
}

/// An element of the list that cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownProvider {
    /// Nobody knows the name.
    #[error("credentials provider `{element}` is not known; known are {}", known_names())]
    Name {
        /// The name as it is written.
        element: String,
    },
    /// The name is known, but its arguments are not enough, or none that it takes.
    #[error("credentials provider `{element}` needs {needed}")]
    Arguments {
        /// The name as it is written.
        element: String,
        /// What is needed behind it.
        needed: &'static str,
    },
}

#[derive(Clone, Copy)]
enum Kind {
    Default,
    Environment,
    Profile,
    WebIdentity,
    Container,
    InstanceProfile,
    ContainerOrInstance,
    Anonymous,
    AssumeRole,
    SystemProperties,
}

/// Names of SDK 2.x first, then those that only SDK 1.x or older daemons had.
const NAMES: [(&str, Kind); 17] = [
    ("DefaultCredentialsProvider", Kind::Default),
    ("EnvironmentVariableCredentialsProvider", Kind::Environment),
    ("ProfileCredentialsProvider", Kind::Profile),
    ("WebIdentityTokenFileCredentialsProvider", Kind::WebIdentity),
    ("ContainerCredentialsProvider", Kind::Container),
    ("InstanceProfileCredentialsProvider", Kind::InstanceProfile),
    ("AnonymousCredentialsProvider", Kind::Anonymous),
    ("StsAssumeRoleCredentialsProvider", Kind::AssumeRole),
    ("SystemPropertyCredentialsProvider", Kind::SystemProperties),
    ("KclStsAssumeRoleCredentialsProvider", Kind::AssumeRole),
    ("DefaultAWSCredentialsProviderChain", Kind::Default),
    ("SystemPropertiesCredentialsProvider", Kind::SystemProperties),
    ("EC2ContainerCredentialsProviderWrapper", Kind::ContainerOrInstance),
    ("WebIdentityTokenCredentialsProvider", Kind::WebIdentity),
    ("STSAssumeRoleSessionCredentialsProvider", Kind::AssumeRole),
    ("KclSTSAssumeRoleSessionCredentialsProvider", Kind::AssumeRole),
    ("EcsContainerCredentialsProvider", Kind::Container),
];

const LISTED: usize = 8;

/// What may be nested in the arguments of a role.
const NESTED: [&str; 3] = [EXTERNAL_ID, ENDPOINT, "endpointRegion"];
const EXTERNAL_ID: &str = "externalId";
const ENDPOINT: &str = "endpoint";
const ENDPOINT_NEEDED: &str = "an endpoint of the form `endpoint=HOST^REGION`";

const PACKAGES: [&str; 5] = [
    "software.amazon.kinesis.multilang.auth.",
    "software.amazon.awssdk.auth.credentials.",
    "software.amazon.awssdk.services.sts.auth.",
    "com.amazonaws.auth.profile.",
    "com.amazonaws.auth.",
];

fn known_names() -> String {
    let names: Vec<_> = NAMES[..LISTED].iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// What a value must have, for an error about a list that comes to nothing.
pub(crate) fn needed() -> String {
    format!("at least one of {} is needed", known_names())
}

/// Reads a list of providers. As in Java, elements that cannot be honoured are passed over where
/// others can be; if none can, the first of them is the error.
pub fn parse(value: &str) -> Result<Providers, UnknownProvider> {
    let mut list = Providers::default();
    let mut unknown = Vec::new();
    for element in value.split(',').map(str::trim).filter(|element| !element.is_empty()) {
        let mut parts = element.split('|');
        let name = parts.next().unwrap_or_default();
        let arguments: Vec<_> = parts.collect();
        if let Err(error) = list.add(name, &arguments) {
            unknown.push(error);
        }
    }
    if list.providers.is_empty() && !unknown.is_empty() {
        return Err(unknown.swap_remove(0));
    }
    list.notes.extend(unknown.iter().map(|error| format!("passed over, as in Java: {error}")));
    Ok(list)
}

/// What is nested in an argument, as Java finds it: a key and its value, if there is one `=`
/// between them. Those at its end do not count.
fn nested(argument: &str) -> Option<(&str, &str)> {
    let parts = argument.trim_end_matches('=').split_once('=')?;
    (!parts.1.contains('=')).then_some(parts)
}

/// The key in front of an argument, as it may be shown. Anything else may be a secret: an external
/// id without its key.
fn shown_key(argument: &str) -> &str {
    let key = argument.split_once('=').map_or("", |(key, _)| key);
    let is_name = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_name { key } else { "..." }
}

impl Providers {
    fn add(&mut self, element: &str, arguments: &[&str]) -> Result<(), UnknownProvider> {
        let package = PACKAGES.iter().find_map(|package| element.strip_prefix(package));
        let short = package.unwrap_or(element);
        let Some((_, kind)) = NAMES.iter().find(|(name, _)| *name == short) else {
            return Err(UnknownProvider::Name { element: element.to_owned() });
        };
        let mut taken = 0;
        match kind {
            Kind::Default => self.providers.push(Provider::Default),
            Kind::Environment => self.providers.push(Provider::Environment),
            Kind::Profile => {
                taken = arguments.len().min(1);
                let name = arguments.first().map(|name| (*name).to_owned());
                self.providers.push(Provider::Profile(name.filter(|name| !name.is_empty())));
            }
            Kind::WebIdentity => self.providers.push(Provider::WebIdentity),
            Kind::Container => self.providers.push(Provider::Container),
            Kind::InstanceProfile => self.providers.push(Provider::InstanceProfile),
            Kind::ContainerOrInstance => {
                self.providers.extend([Provider::Container, Provider::InstanceProfile]);
            }
            Kind::Anonymous => self.providers.push(Provider::Anonymous),
            Kind::AssumeRole => {
                taken = arguments.len();
                self.assume_role(element, arguments)?;
            }
            Kind::SystemProperties => {
                self.notes.push(format!("`{element}` is passed over: there is no JVM here"));
            }
        }
        if taken < arguments.len() {
            self.notes.push(format!("arguments of `{element}` that it does not take passed over"));
        }
        Ok(())
    }

    fn assume_role(&mut self, element: &str, arguments: &[&str]) -> Result<(), UnknownProvider> {
        let [role_arn, session_name, more @ ..] = arguments else {
            let needed = "the role's ARN and a session name: `NAME|ARN|SESSION`";
            return Err(UnknownProvider::Arguments { element: element.to_owned(), needed });
        };
        let mut role = AssumeRole {
            role_arn: (*role_arn).to_owned(),
            session_name: (*session_name).to_owned(),
            external_id: None,
            region: None,
            endpoint: None,
        };
        let wrong = |needed| UnknownProvider::Arguments { element: element.to_owned(), needed };
        let mut seen = Vec::new();
        for argument in more {
            let Some((key, value)) = nested(argument).filter(|(key, _)| NESTED.contains(key))
            else {
                self.notes.push(format!(
                    "argument `{}` of `{element}` passed over, as in Java: endpointRegion=, \
                     endpoint= and externalId= are known, with one `=` each",
                    shown_key(argument)
                ));
                continue;
            };
            if seen.contains(&key) {
                self.notes.push(format!("`{key}` of `{element}` comes twice: the last one counts"));
            }
            seen.push(key);
            match key {
                EXTERNAL_ID => role.external_id = Some(value.to_owned()),
                ENDPOINT => {
                    let place = value.trim_end_matches('^').split_once('^');
                    let place =
                        place.filter(|(host, region)| !host.is_empty() && is_region(region));
                    let (endpoint, region) = place.ok_or_else(|| wrong(ENDPOINT_NEEDED))?;
                    let scheme = if endpoint.contains("://") { "" } else { "https://" };
                    role.endpoint = Some(format!("{scheme}{endpoint}"));
                    role.region = Some(region.to_owned());
                }
                _ if is_region(value) => role.region = Some(value.to_owned()),
                _ => {
                    return Err(wrong("a region behind `endpointRegion=`, such as `eu-central-1`"));
                }
            }
        }
        self.providers.push(Provider::AssumeRole(role));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn providers(value: &str) -> Vec<Provider> {
        parse(value).unwrap().providers
    }

    #[test]
    fn a_provider_is_called_by_a_name_that_means_it() {
        let all = NAMES.iter().filter(|(_, kind)| !matches!(kind, Kind::AssumeRole));
        for provider in all.flat_map(|(name, _)| providers(name)) {
            assert_eq!(providers(&provider.name()), [provider]);
        }
    }

    #[test]
    fn the_names_of_both_sdks_mean_the_same_with_or_without_a_package() {
        for name in [
            "DefaultCredentialsProvider",
            "DefaultAWSCredentialsProviderChain",
            "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
            "com.amazonaws.auth.DefaultAWSCredentialsProviderChain",
        ] {
            assert_eq!(providers(name), [Provider::Default], "{name}");
        }
        assert_eq!(
            providers("com.amazonaws.auth.profile.ProfileCredentialsProvider|dev"),
            [Provider::Profile(Some("dev".to_owned()))]
        );
    }

    #[test]
    fn a_list_keeps_its_order() {
        assert_eq!(
            providers(
                "EnvironmentVariableCredentialsProvider, ,EC2ContainerCredentialsProviderWrapper,"
            ),
            [Provider::Environment, Provider::Container, Provider::InstanceProfile]
        );
    }

    #[test]
    fn an_unknown_name_is_one_error_with_the_known_ones() {
        let error = parse("com.acme.Vault|x,com.acme.Other").unwrap_err().to_string();
        assert!(error.contains("`com.acme.Vault` is not known"), "{error}");
        assert!(error.contains("DefaultCredentialsProvider, Environment"), "{error}");
        assert!(parse("defaultCredentialsProvider").is_err());
    }

    #[test]
    fn beside_a_provider_that_is_known_what_cannot_be_honoured_is_passed_over() {
        for unknown in ["ABCD|hush", "StsAssumeRoleCredentialsProvider|hush"] {
            for value in [
                format!("{unknown}, DefaultCredentialsProvider"),
                format!("DefaultCredentialsProvider,{unknown}"),
            ] {
                let Providers { providers, notes } = parse(&value).unwrap();
                assert_eq!(providers, [Provider::Default], "{value}");
                let [note] = &notes[..] else { panic!("{notes:?}") };
                let name = unknown.split('|').next().unwrap();
                assert!(note.contains(name) && !note.contains("hush"), "{note}");
            }
        }
        let passed_over = parse("SystemPropertyCredentialsProvider,ABCD").unwrap_err();
        assert!(matches!(passed_over, UnknownProvider::Name { .. }));
    }

    #[test]
    fn there_are_no_system_properties() {
        let list = parse("SystemPropertiesCredentialsProvider").unwrap();
        assert!(list.providers.is_empty());
        assert_eq!(list.notes.len(), 1);
    }

    #[test]
    fn a_role_has_a_session_and_may_have_more() {
        let value = "StsAssumeRoleCredentialsProvider|arn:aws:iam::1:role/r|me|externalId=x|\
                     endpoint=sts.example.org^eu-west-1|y";
        let list = parse(value).unwrap();
        let role = AssumeRole {
            role_arn: "arn:aws:iam::1:role/r".to_owned(),
            session_name: "me".to_owned(),
            external_id: Some("x".to_owned()),
            region: Some("eu-west-1".to_owned()),
            endpoint: Some("https://sts.example.org".to_owned()),
        };
        assert_eq!(list.providers, [Provider::AssumeRole(role)]);
        assert_eq!(list.notes.len(), 1);
        assert!(parse("StsAssumeRoleCredentialsProvider|arn").is_err());
    }

    /// The role, and what is noted, of these arguments behind the two that must be there.
    fn role(arguments: &str) -> (AssumeRole, String) {
        let value = format!("StsAssumeRoleCredentialsProvider|arn|me|{arguments}");
        let Providers { providers, notes } = parse(&value).unwrap();
        let [Provider::AssumeRole(role)] = &providers[..] else { panic!("{value}") };
        (role.clone(), notes.join("; "))
    }

    #[test]
    fn what_is_nested_in_a_role_is_read_as_java_reads_it() {
        let (found, notes) = role("externalId=x|endpointRegion=eu-west-1");
        assert_eq!((found.external_id.as_deref(), &*notes), (Some("x"), ""));
        assert_eq!(found.region.as_deref(), Some("eu-west-1"));
        let (found, notes) = role("endpoint=http://sts^us-east-1|endpointRegion=eu-west-1");
        assert_eq!(found.endpoint.as_deref(), Some("http://sts"));
        assert_eq!((found.region.as_deref(), &*notes), (Some("eu-west-1"), ""), "the later one");
        let (found, _) = role("externalId=x==");
        assert_eq!(found.external_id.as_deref(), Some("x"), "Java does not see what is at the end");
        let (found, notes) = role("externalId=x|externalId=y");
        assert_eq!(found.external_id.as_deref(), Some("y"));
        assert!(notes.contains("`externalId`") && notes.contains("twice"), "{notes}");
    }

    #[test]
    fn what_is_nested_in_a_role_in_vain_is_noted_by_its_key_alone() {
        for (argument, key) in [
            ("externalId=hush=b", "`externalId`"),
            ("externalId=", "`externalId`"),
            ("foo=hush", "`foo`"),
            ("EndpointRegion=hush", "`EndpointRegion`"),
            ("hush", "`...`"),
            ("a/hush=b", "`...`"),
            ("=hush", "`...`"),
        ] {
            let (found, notes) = role(argument);
            assert_eq!((found.external_id, found.region), (None, None), "{argument}");
            assert!(notes.contains(key) && !notes.contains("hush"), "{argument}: {notes}");
        }
    }

    #[test]
    fn an_endpoint_or_region_that_is_none_is_an_error_that_names_it() {
        for (argument, needed) in [
            ("endpoint=h^r^x", "`endpoint=HOST^REGION`"),
            ("endpoint=h", "`endpoint=HOST^REGION`"),
            ("endpoint=^eu-west-1", "`endpoint=HOST^REGION`"),
            ("endpoint=h^Frankfurt", "`endpoint=HOST^REGION`"),
            ("endpointRegion=eu west", "`endpointRegion=`"),
        ] {
            let value = format!("StsAssumeRoleCredentialsProvider|arn|me|{argument}");
            let error = parse(&value).unwrap_err().to_string();
            assert!(error.contains(needed), "{argument}: {error}");
        }
    }

    #[test]
    fn surplus_arguments_are_passed_over_with_a_note() {
        let list = parse("ProfileCredentialsProvider|dev|x").unwrap();
        assert_eq!(list.providers, [Provider::Profile(Some("dev".to_owned()))]);
        assert_eq!(list.notes.len(), 1);
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic(value: String) {
            drop(parse(&value));
        }
    }
}
