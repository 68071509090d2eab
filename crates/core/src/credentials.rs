//! Where AWS credentials come from, as a properties file says it.
//!
//! The value is a list of Java class names, separated by commas; arguments follow a name behind
//! `|`. The names of SDK 2.x, those of SDK 1.x, and both with their packages are known.

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
    /// The name is known, but its arguments are not enough.
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

/// Reads a list of providers.
pub fn parse(value: &str) -> Result<Providers, UnknownProvider> {
    let mut list = Providers::default();
    for element in value.split(',').map(str::trim).filter(|element| !element.is_empty()) {
        let mut parts = element.split('|');
        let name = parts.next().unwrap_or_default();
        let arguments: Vec<_> = parts.collect();
        list.add(name, &arguments)?;
    }
    Ok(list)
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
        let [role_arn, session_name, nested @ ..] = arguments else {
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
        for argument in nested {
            match argument.split_once('=') {
                Some(("endpointRegion", region)) => role.region = Some(region.to_owned()),
                Some(("externalId", id)) => role.external_id = Some(id.to_owned()),
                Some(("endpoint", place)) => {
                    let Some((endpoint, region)) = place.split_once('^') else {
                        let needed = "an endpoint of the form `endpoint=HOST^REGION`";
                        let element = element.to_owned();
                        return Err(UnknownProvider::Arguments { element, needed });
                    };
                    let scheme = if endpoint.contains("://") { "" } else { "https://" };
                    role.endpoint = Some(format!("{scheme}{endpoint}"));
                    role.region = Some(region.to_owned());
                }
                // The text itself may be secret: an external id without its key.
                Some(_) | None => self.notes.push(format!(
                    "an argument of `{element}` passed over: endpointRegion=, endpoint= and \
                     externalId= are known"
                )),
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
        let error = parse("DefaultCredentialsProvider,com.acme.Vault|x").unwrap_err().to_string();
        assert!(error.contains("`com.acme.Vault`"), "{error}");
        assert!(error.contains("DefaultCredentialsProvider, Environment"), "{error}");
        assert!(parse("defaultCredentialsProvider").is_err());
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
