//! Addresses apart, what is shown of them, and that nothing else is.

use super::*;

fn git_of(text: &str) -> GitAddress {
    match Remote::parse(text) {
        Ok(Some(Remote::Git(address))) => address,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn kinds() {
    for path in ["a/b", "./x.git", "/x", "git", "C:\\x", "a:b"] {
        assert_eq!(Remote::parse(path), Ok(None), "{path}");
    }
    let file = HttpAddress {
        url: "https://h/a.tar#x".into(),
        login: None,
    };
    assert_eq!(Remote::parse("https://h/a.tar#x"), Ok(Some(Remote::Http(file))));
    assert_eq!(git_of("git@h:me/r.git").url, "git@h:me/r.git");
    assert_eq!(git_of("git://h/r").url, "git://h/r");
}

#[test]
fn fragments_and_queries() {
    let address = git_of("https://h/r.git#v1:dir/sub");
    assert_eq!(
        (address.reference.as_deref(), address.subdir.as_deref()),
        (Some("v1"), Some("dir/sub"))
    );
    for url in [
        "https://h/r.git",
        "https://h/r.git#v1",
        "https://h/r.git#:d",
        "git@h:r.git#v1:d",
    ] {
        assert_eq!(git_of(url).shown(), url);
    }
    let address = git_of("https://h/r.git?tag=v1&subdir=d&keep-git-dir=1&submodules=false&checksum=ABCDEF0");
    assert_eq!(address.reference.as_deref(), Some("refs/tags/v1"));
    assert!(address.keep_git_dir && address.no_submodules);
    assert_eq!(address.checksum.as_deref(), Some("abcdef0"));
    assert!(
        Remote::parse("https://h/r.git?tga=v1")
            .unwrap_err()
            .contains("did you mean `tag`?")
    );
    assert!(Remote::parse("https://h/r.git#--upload-pack=x").is_err());
    assert!(Remote::parse("https://h/r.git?checksum=abc").is_err());
    assert!(Remote::parse("https://h/r.git?subdir=a/../..").is_err());
}

#[test]
fn names_and_redaction() {
    assert_eq!(file_name("https://h/a/b%20c.txt?x=1").as_deref(), Some("b c.txt"));
    for url in [
        "https://h",
        "https://h/",
        "https://h/a/",
        "https://h/..",
        "https://h/%2e%2e",
        "https://h/a%2Fb",
        "https://h/%+1",
    ] {
        assert_eq!(file_name(url), None, "{url}");
    }
    assert_eq!(redacted("https://user:pw@h/r.git"), "https://h/r.git");
    assert_eq!(redacted("https://h/a@b"), "https://h/a@b");
    assert_eq!(
        redacted_line("ADD  [\"https://me:pw@h/f\", \"/a@b\"]"),
        "ADD  [\"https://h/f\", \"/a@b\"]"
    );
    assert_eq!(
        passwords_hidden("ADD https://me:pw@h/f \\\n /a@b"),
        "ADD https://me:**@h/f \\\n /a@b"
    );
    assert_eq!(redacted("git@h:r.git"), "git@h:r.git");
}

#[test]
fn what_is_sent_is_not_in_the_url() {
    let Ok(Some(Remote::Http(file))) = Remote::parse("https://me:a%40b@h:1/f?x=y@z") else {
        panic!("a file");
    };
    assert_eq!(file.url, "https://h:1/f?x=y@z");
    assert_eq!(file.login, Authorization::basic("me", "a@b"));
    let repository = git_of("https://token@h/r.git#v1");
    assert_eq!(repository.url, "https://h/r.git");
    assert_eq!(repository.login, Authorization::basic("token", ""));
    assert!(!format!("{file:?}").contains("a@b"));
    // The user of ssh is no secret; a password would only be shown to other processes.
    assert_eq!(git_of("ssh://me@h/r").url, "ssh://me@h/r");
    assert!(Remote::parse("ssh://me:pw@h/r").unwrap_err().contains("password"));
    assert!(Remote::parse("https://me:%zz@h/f").is_err());
}

#[test]
fn schemes() {
    assert_eq!(scheme("ftp://h/x"), Some("ftp"));
    for path in ["a/b://c", "://", "x:/y", "x"] {
        assert_eq!(scheme(path), None, "{path}");
    }
}

#[test]
fn hosts() {
    for (url, host) in [
        ("https://h:1/f", "h:1"),
        ("ssh://me@h/r", "h"),
        ("git@h:r.git", "h"),
        ("https://h?x", "h"),
    ] {
        assert_eq!(authority(url), Some(host), "{url}");
    }
}

proptest::proptest! {
    /// Whatever stands in a Dockerfile: no panic, no password in what is printed, nothing that git takes for an option.
    #[test]
    fn any_source(
        scheme in "(https?://|git://|ssh://|git@|)",
        rest in "[a-z:@/#?=&%.-]{0,30}",
        tail in "(\\.git)?([#?][a-z:=&./-]{0,20})?",
    ) {
        let _ = Remote::parse(&format!("{scheme}{rest}{tail}"));
        let with_login = format!("https://me:CANARY@h/{}{tail}", rest.replace('@', ""));
        if let Ok(Some(remote)) = Remote::parse(&with_login) {
            assert!(!format!("{remote:?}").contains("CANARY"), "{with_login}");
            if let Remote::Git(address) = remote {
                assert!(!address.reference.unwrap_or_default().starts_with('-'), "{with_login}");
            }
        }
        assert!(!redacted_line(&with_login).contains("CANARY"));
        assert!(!passwords_hidden(&with_login).contains("CANARY"));
        assert_eq!(passwords_hidden(&with_login).len(), with_login.len());
    }
}
