//! Credentials, as they cross to the worker: the only place that writes them out, into a socket that two processes have.

use rbuild_registry::{Authorization, Credential, Secret};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// For what is sent to one server as a header.
pub(crate) mod authorization {
    use super::{Authorization, Deserialize, Deserializer, Serialize, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Authorization>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(Authorization::reveal).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Authorization>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        match Authorization::verbatim(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(de::Error::custom("no header can carry it")),
        }
    }
}

#[derive(Serialize, Deserialize)]
enum Revealed {
    Basic { username: String, password: String },
    IdentityToken(String),
    RegistryToken(String),
}

/// For the credential that was given for a registry.
pub(crate) mod credential {
    use super::{Credential, Deserialize, Deserializer, Revealed, Secret, Serialize, Serializer};

    type Given = Option<(String, Credential)>;

    pub(crate) fn serialize<S: Serializer>(given: &Given, serializer: S) -> Result<S::Ok, S::Error> {
        let revealed = given.as_ref().map(|(host, credential)| {
            let revealed = match credential {
                Credential::Basic { username, password } => Revealed::Basic {
                    username: username.clone(),
                    password: password.reveal().to_owned(),
                },
                Credential::IdentityToken(token) => Revealed::IdentityToken(token.reveal().to_owned()),
                Credential::RegistryToken(token) => Revealed::RegistryToken(token.reveal().to_owned()),
            };
            (host, revealed)
        });
        revealed.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Given, D::Error> {
        let given = Option::<(String, Revealed)>::deserialize(deserializer)?;
        Ok(given.map(|(host, revealed)| {
            let credential = match revealed {
                Revealed::Basic { username, password } => Credential::Basic {
                    username,
                    password: Secret::new(password),
                },
                Revealed::IdentityToken(token) => Credential::IdentityToken(Secret::new(token)),
                Revealed::RegistryToken(token) => Credential::RegistryToken(Secret::new(token)),
            };
            (host, credential)
        }))
    }
}
