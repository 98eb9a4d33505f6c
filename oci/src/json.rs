//! JSON documents of images: a size limit when reading, sorted keys when writing.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::error::DocumentError;

/// Reads a document of at most `limit` bytes.
pub fn parse<T: DeserializeOwned>(what: &'static str, bytes: &[u8], limit: u64) -> Result<T, DocumentError> {
    if bytes.len() as u64 > limit {
        return Err(DocumentError::TooLarge {
            what: what.to_owned(),
            limit,
        });
    }
    serde_json::from_slice(bytes).map_err(|error| DocumentError::Invalid {
        what,
        detail: error.to_string(),
    })
}

/// Writes a document without white space, keys sorted at every depth.
pub fn write<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, DocumentError> {
    serde_json::to_value(value)
        .and_then(|value| serde_json::to_vec(&sorted(value)))
        .map_err(|error| DocumentError::Invalid {
            what,
            detail: error.to_string(),
        })
}

/// For `deserialize_with`: Go writes an empty list, map or string as `null` in places.
pub fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
            fields.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| (name, sorted(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        other => other,
    }
}
