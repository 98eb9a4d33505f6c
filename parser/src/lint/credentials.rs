//! Whether a file of settings holds a credential. Such files are harmless where the value comes from a variable, as in
//! `//registry.npmjs.org/:_authToken=${NPM_TOKEN}`.

use crate::secrets::is_secret_name;

/// Tells from a file's text whether it holds a credential.
pub(super) type Holds = fn(&str) -> bool;

/// How to tell for a path; `None` for files that are no settings, or hold nothing else.
pub(super) fn reader(path: &str) -> Option<Holds> {
    let mut parts = path.trim_end_matches('/').rsplit('/');
    let name = parts.next().unwrap_or_default();
    let folder = parts.next().unwrap_or_default();
    let holds: Holds = match (folder, name) {
        (_, ".npmrc") => npm,
        (_, ".yarnrc.yml" | ".yarnrc.yaml") => yarn,
        (_, ".pypirc") => pypi,
        (_, ".netrc" | "_netrc") => netrc,
        (_, ".git-credentials" | "pip.conf" | "pip.ini" | ".yarnrc") => login_in_url,
        (_, ".env") => variables,
        (_, ".dockercfg") | (".docker", "config.json") => docker,
        (".aws", "credentials" | "config") => aws,
        _ => return None,
    };
    Some(holds)
}

fn npm(text: &str) -> bool {
    let is_name = |name: &str| {
        let name = name.rsplit(':').next().unwrap_or_default();
        matches!(name, "_authToken" | "_auth" | "_password" | "key")
    };
    settings(text, &['=']).any(|(name, value)| is_name(name) && is_literal(value))
}

fn yarn(text: &str) -> bool {
    let names = ["npmAuthToken", "npmAuthIdent"];
    settings(text, &[':']).any(|(name, value)| names.contains(&name) && is_literal(value))
}

fn pypi(text: &str) -> bool {
    settings(text, &['=', ':']).any(|(name, value)| name == "password" && is_literal(value))
        || login_in_url(text)
}

fn netrc(text: &str) -> bool {
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if word == "password" && words.next().is_some_and(is_literal) {
            return true;
        }
    }
    false
}

fn aws(text: &str) -> bool {
    let names = ["aws_secret_access_key", "aws_session_token"];
    settings(text, &['=']).any(|(name, value)| names.contains(&name) && is_literal(value))
}

/// Of docker's configuration, without reading JSON: one of these names, and text behind it.
fn docker(text: &str) -> bool {
    [
        "\"auth\"",
        "\"identitytoken\"",
        "\"registrytoken\"",
        "\"password\"",
    ]
    .iter()
    .flat_map(|name| text.match_indices(name).map(|(at, name)| at + name.len()))
    .filter_map(|behind| text.get(behind..)?.trim_start().strip_prefix(':'))
    .any(|value| {
        value
            .trim_start()
            .strip_prefix('"')
            .is_some_and(|value| !value.starts_with('"'))
    })
}

/// A file of variables: one that is secret by its name, or a URL with a password.
fn variables(text: &str) -> bool {
    let is_secret = |(name, value): (&str, &str)| {
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        is_secret_name(name) && is_literal(value)
    };
    settings(text, &['=']).any(is_secret) || login_in_url(text)
}

/// `https://user:password@host` anywhere.
fn login_in_url(text: &str) -> bool {
    text.match_indices("://").any(|(at, separator)| {
        let rest = text.get(at + separator.len()..).unwrap_or_default();
        let end = rest
            .find(|ch: char| ch == '/' || ch.is_whitespace())
            .unwrap_or(rest.len());
        let login = rest
            .get(..end)
            .and_then(|host| host.rsplit_once('@'))
            .map(|(login, _)| login);
        let password = login
            .and_then(|login| login.split_once(':'))
            .map(|(_, password)| password);
        password.is_some_and(is_literal)
    })
}

/// Names and values, without comments.
fn settings<'a>(text: &'a str, separators: &'a [char]) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', ';']))
        .filter_map(move |line| {
            let at = line.find(separators)?;
            Some((line.get(..at)?.trim(), line.get(at + 1..)?.trim()))
        })
}

/// Whether the value stands here, and is not taken from a variable.
fn is_literal(value: &str) -> bool {
    let value = value.trim_matches(['"', '\'']);
    !value.is_empty() && !value.contains("${") && !value.starts_with(['$', '%', '<'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(path: &str, with: &[&str], without: &[&str]) {
        let holds = reader(path).unwrap();
        for text in with {
            assert!(holds(text), "{path}: {text}");
        }
        for text in without {
            assert!(!holds(text), "{path}: {text}");
        }
    }

    #[test]
    fn settings_with_and_without_credentials() {
        is(
            ".npmrc",
            &[
                "//registry.npmjs.org/:_authToken=npm_abc",
                "registry=https://r/\n_auth = YWJj\n",
                "//r:8080/:_password=\"eHg=\"",
            ],
            &[
                "",
                "registry=https://r/\nsave-exact=true\n",
                "//r/:_authToken=${NPM_TOKEN}",
                "# _authToken=x",
                "always-auth=true",
                "_auth=",
            ],
        );
        is(
            "app/.yarnrc.yml",
            &["npmAuthToken: abc", "npmScopes:\n  a:\n    npmAuthIdent: \"a:b\""],
            &[
                "npmAuthToken: \"${TOKEN}\"",
                "nodeLinker: node-modules",
                "npmAlwaysAuth: true",
            ],
        );
        is(
            ".pypirc",
            &["[pypi]\nusername = a\npassword = b", "password:b"],
            &[
                "[distutils]\nindex-servers = pypi\n",
                "[pypi]\nusername = a",
                "password =",
            ],
        );
        is(
            ".netrc",
            &[
                "machine h login a password b",
                "machine h\nlogin a\n  password b\n",
            ],
            &["machine h login a", "machine h login a password ${P}", ""],
        );
        is(
            ".git-credentials",
            &["https://a:b@h"],
            &["https://h", "https://a@h", "https://a:$P@h/"],
        );
        is(
            "etc/pip.conf",
            &["[global]\nextra-index-url = https://a:b@h/simple"],
            &[
                "index-url = https://h/simple",
                "index-url=https://${U}:${P}@h/",
                "timeout = 60",
            ],
        );
        is(
            ".docker/config.json",
            &[
                "{\"auths\":{\"h\":{\"auth\": \"YTpi\"}}}",
                "{\"identitytoken\":\"a\"}",
            ],
            &[
                "{\"auths\":{\"h\":{}},\"credsStore\":\"pass\"}",
                "{\"auth\":\"\"}",
            ],
        );
        is(
            ".aws/credentials",
            &["[default]\naws_access_key_id = A\naws_secret_access_key = b\n"],
            &["[default]\nregion = eu\n", "role_arn = r"],
        );
        is(
            ".env",
            &["DB_PASSWORD=x", "export API_TOKEN='x'", "DB=postgres://a:b@h/d"],
            &[
                "VITE_API_URL=https://h\nMODE=dev",
                "API_TOKEN=",
                "API_TOKEN=$OTHER",
                "#TOKEN=x",
            ],
        );
        assert!(reader("id_rsa").is_none() && reader("config.json").is_none());
    }
}
