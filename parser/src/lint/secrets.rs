//! Which names of variables and files stand for secrets.

/// Whether a variable's name says that its value is secret, and nothing says otherwise.
pub(super) fn is_secret_name(name: &str) -> bool {
    const SECRET: &[&str] = &[
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "token",
    ];
    const HARMLESS: &[&str] = &["public", "file", "version"];
    let lower = name.to_lowercase();
    let words = || lower.split(['_', '-', '.']);
    words().any(|word| SECRET.contains(&word)) && !words().any(|word| HARMLESS.contains(&word))
}

/// Whether a path's last component is a file that holds private keys or credentials.
pub(super) fn is_secret_file(path: &str) -> bool {
    const NAMES: &[&str] = &[
        ".env",
        ".netrc",
        ".npmrc",
        ".pypirc",
        ".git-credentials",
        ".htpasswd",
        ".pgpass",
        ".ssh",
        ".aws",
        "id_rsa",
        "id_dsa",
        "id_ecdsa",
        "id_ed25519",
    ];
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    NAMES.contains(&name) || name.ends_with("_rsa") || name.ends_with(".pfx") || name.ends_with(".p12")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in [
            "API_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "password",
            "GIT-AUTH",
            "MY_CREDENTIALS",
            "APIKEY",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "KEYBOARD",
            "PUBLIC_KEY",
            "TOKEN_FILE",
            "AUTHOR",
            "SECRET_VERSION",
            "MONKEY",
            "",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn files() {
        assert!(is_secret_file("a/.env") && is_secret_file("id_rsa") && is_secret_file(".ssh/"));
        assert!(!is_secret_file(".env.example") && !is_secret_file("id_rsa.pub") && !is_secret_file("."));
    }
}
