//! `WWW-Authenticate`: what a registry asks for (RFC 9110 section 11, distribution's token specification).

use crate::secret::Secret;

/// One challenge that we can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A token from `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
        error: Option<String>,
    },
    /// User name and password with each request.
    Basic,
}

/// All challenges in the given header values; unknown schemes are returned by name.
pub(crate) fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> (Vec<Challenge>, Vec<String>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for value in values {
        for (scheme, params) in split(value) {
            let get = |name: &str| {
                params
                    .iter()
                    .find(|(n, _)| n.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.clone())
            };
            if scheme.eq_ignore_ascii_case("bearer") {
                if let Some(realm) = get("realm") {
                    let (service, scope, error) = (get("service"), get("scope"), get("error"));
                    known.push(Challenge::Bearer {
                        realm,
                        service,
                        scope,
                        error,
                    });
                }
            } else if scheme.eq_ignore_ascii_case("basic") {
                known.push(Challenge::Basic);
            } else {
                unknown.push(scheme.chars().take(32).collect());
            }
        }
    }
    (known, unknown)
}

type Params = Vec<(String, String)>;

/// Splits `Scheme a=b, c="d,e", Scheme2 ...`. A comma separates both parameters and challenges; a word that is
/// not followed by `=` starts a challenge.
fn split(value: &str) -> Vec<(String, Params)> {
    let mut challenges: Vec<(String, Params)> = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            // A stray `=` or the end: a byte forward, so that nonsense cannot hold us.
            let mut chars = rest.chars();
            if chars.next().is_none() {
                return challenges;
            }
            rest = chars.as_str();
            continue;
        }
        match after.trim_start_matches([' ', '\t']).strip_prefix('=') {
            Some(text) if !challenges.is_empty() => {
                let (text, left) = value_of(text.trim_start_matches([' ', '\t']));
                if let Some((_, params)) = challenges.last_mut() {
                    params.push((word.to_owned(), text));
                }
                rest = left;
            }
            _ => {
                challenges.push((word.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// A token or a quoted string with backslash escapes; returns what is left.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut out = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (out, &quoted[at + 1..]),
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            c => out.push(c),
        }
    }
    (out, "")
}

/// A token server's answer, or the part of it that matters.
#[derive(serde::Deserialize)]
pub(crate) struct TokenAnswer {
    #[serde(default)]
    pub(crate) token: Option<SecretText>,
    #[serde(default)]
    pub(crate) access_token: Option<SecretText>,
    /// Seconds.
    #[serde(default)]
    pub(crate) expires_in: Option<u64>,
}

/// Text that becomes a `Secret` as it is read.
pub(crate) struct SecretText(pub(crate) Secret);

impl<'de> serde::Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Secret::new(String::deserialize(deserializer)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>, error: Option<&str>) -> Challenge {
        let own = |v: Option<&str>| v.map(str::to_owned);
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: own(service),
            scope: own(scope),
            error: own(error),
        }
    }

    #[test]
    fn challenges() {
        let table: Vec<(&[&str], Vec<Challenge>, &[&str])> = vec![
            (
                &[
                    r#"Bearer realm="https://auth.io/token",service="reg.io",scope="repository:a/b:pull,push""#,
                ],
                vec![bearer(
                    "https://auth.io/token",
                    Some("reg.io"),
                    Some("repository:a/b:pull,push"),
                    None,
                )],
                &[],
            ),
            (
                &[r#"bearer  realm = "https://a/t" , error="insufficient_scope""#],
                vec![bearer("https://a/t", None, None, Some("insufficient_scope"))],
                &[],
            ),
            (
                &[r#"Bearer realm=https://a/t,service=x"#],
                vec![bearer("https://a/t", Some("x"), None, None)],
                &[],
            ),
            (
                &[r#"Bearer realm="q\"uote\\",service="a, b=c""#],
                vec![bearer("q\"uote\\", Some("a, b=c"), None, None)],
                &[],
            ),
            (&["Basic realm=\"x, Bearer y\""], vec![Challenge::Basic], &[]),
            (
                &[r#"Negotiate, Basic realm="x", Bearer realm="https://a/t""#],
                vec![Challenge::Basic, bearer("https://a/t", None, None, None)],
                &["Negotiate"],
            ),
            (
                &["Digest nonce=\"a,b\"", "BASIC"],
                vec![Challenge::Basic],
                &["Digest"],
            ),
            (&["Bearer service=\"x\""], vec![], &[]),
            (
                &["", "=", ",,,", "\"", "Bearer realm=\"unterminated"],
                vec![bearer("unterminated", None, None, None)],
                &["\""],
            ),
        ];
        for (values, known, unknown) in table {
            let (found, others) = parse(values.iter().copied());
            assert_eq!(found, known, "{values:?}");
            assert_eq!(others, unknown, "{values:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_header_ends(text in "[a-z=\"\\\\, \t]{0,60}") {
            let (known, unknown) = parse([text.as_str()]);
            assert!(known.len() + unknown.len() <= text.len());
        }
    }
}
