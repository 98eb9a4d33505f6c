//! Which names of files stand for secrets.

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
    fn files() {
        assert!(is_secret_file("a/.env") && is_secret_file("id_rsa") && is_secret_file(".ssh/"));
        assert!(!is_secret_file(".env.example") && !is_secret_file("id_rsa.pub") && !is_secret_file("."));
    }
}
