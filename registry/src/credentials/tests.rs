//! Order, keys, helpers, saving; all in a temporary home.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

struct Home {
    dir: tempfile::TempDir,
    credentials: Credentials,
}

fn home() -> Home {
    let dir = tempfile::tempdir().unwrap();
    let at = |p: &str| dir.path().join(p);
    fs::create_dir(at("bin")).unwrap();
    // The helpers of the tests are shell scripts that use `cat`.
    let path = format!("{}:/usr/bin:/bin", at("bin").display());
    let env = Env {
        home: Some(at("home")),
        docker_config: None,
        registry_auth_file: None,
        xdg_runtime_dir: Some(at("run")),
        xdg_config_home: None,
        path: Some(path.into()),
        helper: None,
    };
    Home {
        credentials: Credentials::new(env),
        dir,
    }
}

impl Home {
    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn script(&self, name: &str, body: &str) {
        self.write(
            &format!("bin/docker-credential-{name}"),
            &format!("#!/bin/sh\n{body}\n"),
        );
        let path = self.dir.path().join(format!("bin/docker-credential-{name}"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn user(&self, host: &str, repository: &str) -> String {
        match self
            .credentials
            .lookup(host, repository, &Patience::default())
            .credential
        {
            Some(Credential::Basic { username, password }) => format!("{username}/{}", password.reveal()),
            Some(Credential::IdentityToken(token)) => format!("identity {}", token.reveal()),
            Some(Credential::RegistryToken(token)) => format!("registry {}", token.reveal()),
            None => "-".to_owned(),
        }
    }

    fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.dir.path().join(path)).unwrap()).unwrap()
    }
}

fn auths(entries: &[(&str, &str)]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(key, user)| format!(r#""{key}":{{"username":"{user}","password":"p"}}"#))
        .collect();
    format!(r#"{{"auths":{{{}}}}}"#, entries.join(","))
}

const DOCKER: &str = "home/.docker/config.json";

#[test]
fn files_in_order() {
    let mut home = home();
    assert_eq!(home.user("r.io", "a"), "-");
    home.write(DOCKER, &auths(&[("r.io", "docker")]));
    assert_eq!(home.user("r.io", "a"), "docker/p");
    home.write("dc/config.json", &auths(&[("r.io", "docker-config")]));
    home.credentials.env.docker_config = Some(home.dir.path().join("dc"));
    assert_eq!(home.user("r.io", "a"), "docker-config/p");
    home.write("home/.config/containers/auth.json", &auths(&[("r.io", "config")]));
    assert_eq!(home.user("r.io", "a"), "config/p");
    home.write("run/containers/auth.json", &auths(&[("other.io", "run")]));
    assert_eq!(
        home.user("r.io", "a"),
        "config/p",
        "a file without an entry is passed over"
    );
    home.write("run/containers/auth.json", &auths(&[("r.io", "run")]));
    assert_eq!(home.user("r.io", "a"), "run/p");
    home.write("explicit.json", &auths(&[("x.io", "explicit")]));
    home.credentials.env.registry_auth_file = Some(home.dir.path().join("explicit.json"));
    assert_eq!(home.user("x.io", "a"), "explicit/p");
    assert_eq!(home.user("r.io", "a"), "-", "an explicit file is the only one");
}

#[test]
fn most_specific_key_wins() {
    let home = home();
    home.write(
        DOCKER,
        &auths(&[
            ("r.io", "host"),
            ("r.io/ns", "ns"),
            ("r.io/ns/app", "app"),
            ("https://old.io/v1/", "old"),
            ("http://plain.io", "plain"),
            ("https://index.docker.io/v1/", "hub"),
            ("docker.io/me", "mine"),
        ]),
    );
    for (host, repository, expected) in [
        ("r.io", "ns/app", "app/p"),
        ("r.io", "ns/app/deep", "app/p"),
        ("r.io", "ns/other", "ns/p"),
        ("r.io", "nsx", "host/p"),
        ("r.io:5000", "ns/app", "-"),
        ("old.io", "a", "old/p"),
        ("plain.io", "a", "plain/p"),
        ("docker.io", "library/alpine", "hub/p"),
        ("docker.io", "me/app", "mine/p"),
        ("v1", "a", "-"),
    ] {
        assert_eq!(home.user(host, repository), expected, "{host}/{repository}");
    }
}

#[test]
fn forms_of_an_entry() {
    let home = home();
    home.write(
        DOCKER,
        r#"{"auths":{
            "a.io":{"auth":"dTpwOnE="},
            "b.io":{"auth":"dTpw","identitytoken":"idt"},
            "c.io":{"registrytoken":"rt"},
            "d.io":{},
            "e.io":{"auth":"!!"},
            "f.io":{"auth":"bm9jb2xvbg=="},
            "g.io":{"auth":"dTpw\n"}
        }}"#,
    );
    assert_eq!(home.user("a.io", "x"), "u/p:q");
    assert_eq!(home.user("b.io", "x"), "identity idt");
    assert_eq!(home.user("c.io", "x"), "registry rt");
    assert_eq!(home.user("d.io", "x"), "-");
    assert_eq!(home.user("g.io", "x"), "u/p");
    for host in ["e.io", "f.io"] {
        let lookup = home.credentials.lookup(host, "x", &Patience::default());
        assert!(lookup.credential.is_none());
        assert!(matches!(&lookup.warnings[..], [CredentialWarning::BadEntry { key, .. }] if key == host));
    }
}

#[test]
fn a_broken_file_is_a_warning_and_is_not_overwritten() {
    let home = home();
    home.write(DOCKER, "{\"auths\": canary");
    let lookup = home.credentials.lookup("r.io", "x", &Patience::default());
    assert!(matches!(
        &lookup.warnings[..],
        [CredentialWarning::BadFile { .. }]
    ));
    assert!(!format!("{:?}", lookup.warnings).contains("canary"));
    let error = home.credentials.save("r.io", &basic("u", "p")).unwrap_err();
    assert!(matches!(error, CredentialError::Json { .. }));
    assert_eq!(
        fs::read_to_string(home.dir.path().join(DOCKER)).unwrap(),
        "{\"auths\": canary"
    );
}

#[test]
fn helpers() {
    let home = home();
    home.script(
        "ok",
        r#"read server; echo "{\"ServerURL\":\"$server\",\"Username\":\"u-$server\",\"Secret\":\"s\"}""#,
    );
    home.script(
        "token",
        r#"cat >/dev/null; echo '{"Username":"<token>","Secret":"idt"}'"#,
    );
    home.script("none", "echo 'credentials not found in native keychain'; exit 1");
    home.script("broken", "echo canary-not-json");
    home.script("fails", "echo 'keyring is locked'; exit 1");
    home.write(
        DOCKER,
        r#"{"credsStore":"none","credHelpers":{"a.io":"ok","t.io":"token","b.io":"broken","f.io":"fails",
            "m.io":"absent","p.io":"../evil","docker.io":"ok"},
            "auths":{"a.io":{"username":"plain","password":"p"},"n.io":{"username":"plain","password":"p"},
            "m.io":{"username":"plain","password":"p"}}}"#,
    );
    assert_eq!(home.user("a.io", "x"), "u-a.io/s", "a helper goes before auths");
    assert_eq!(home.user("t.io", "x"), "identity idt");
    assert_eq!(
        home.user("n.io", "x"),
        "plain/p",
        "the general helper knew nothing"
    );
    assert_eq!(home.user("docker.io", "x"), "u-https://index.docker.io/v1//s");

    let missing = home.credentials.lookup("m.io", "x", &Patience::default());
    assert!(missing.credential.is_some());
    assert!(
        matches!(&missing.warnings[..], [CredentialWarning::HelperMissing { helper, .. }] if helper == "absent")
    );
    for host in ["b.io", "f.io", "p.io"] {
        let lookup = home.credentials.lookup(host, "x", &Patience::default());
        assert!(lookup.credential.is_none());
        assert!(
            matches!(&lookup.warnings[..], [CredentialWarning::HelperFailed { .. }]),
            "{host}"
        );
        assert!(!format!("{:?}", lookup.warnings).contains("canary"));
    }
}

fn basic(username: &str, password: &str) -> Credential {
    Credential::Basic {
        username: username.to_owned(),
        password: Secret::new(password),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn save_and_remove() {
    let home = home();
    let path = home.credentials.save("r.io:5000", &basic("u", "p:w")).unwrap();
    assert_eq!(path, home.dir.path().join(DOCKER));
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(home.user("r.io:5000", "any/thing"), "u/p:w");

    // What others wrote stays, and a wide mode becomes narrow.
    home.write(
        DOCKER,
        r#"{"HttpHeaders":{"X":"1"},"auths":{"z.io":{"auth":"dTpw"}},"aliases":{"b":"c"}}"#,
    );
    home.credentials.save("docker.io", &basic("hub", "h")).unwrap();
    assert_eq!(
        home.json(DOCKER),
        serde_json::json!({
            "HttpHeaders": {"X": "1"},
            "auths": {"z.io": {"auth": "dTpw"}, "https://index.docker.io/v1/": {"auth": "aHViOmg="}},
            "aliases": {"b": "c"}
        })
    );
    assert_eq!(mode(&path), 0o600);
    assert_eq!(
        home.credentials.remove("docker.io").unwrap(),
        std::slice::from_ref(&path)
    );
    assert_eq!(home.user("docker.io", "x"), "-");
    assert_eq!(home.user("z.io", "x"), "u/p");
    assert_eq!(home.credentials.remove("docker.io").unwrap(), [] as [PathBuf; 0]);
    let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "no temporary file stays: {left:?}");
}

#[test]
fn save_is_never_shadowed() {
    let home = home();
    home.write(
        "run/containers/auth.json",
        &auths(&[("r.io", "old"), ("docker.io", "old")]),
    );
    let path = home.credentials.save("r.io", &basic("new", "n")).unwrap();
    assert!(path.ends_with("run/containers/auth.json"));
    assert_eq!(home.user("r.io", "x"), "new/n");
    home.credentials.save("docker.io", &basic("hub", "h")).unwrap();
    assert_eq!(
        home.json("run/containers/auth.json")["auths"]["docker.io"]["auth"],
        "aHViOmg="
    );
    assert_eq!(home.user("docker.io", "library/x"), "hub/h");
}

#[test]
fn save_through_a_helper_leaves_no_plain_text() {
    let home = home();
    let kept = home.dir.path().join("kept");
    home.script(
        "keep",
        &format!(
            "case $1 in store) cat >{0};; erase) rm {0};; get) exit 1;; esac",
            kept.display()
        ),
    );
    home.write(DOCKER, r#"{"credsStore":"keep"}"#);
    home.credentials.save("r.io", &basic("u", "canary")).unwrap();
    let stored: serde_json::Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    assert_eq!(
        stored,
        serde_json::json!({"ServerURL":"r.io","Username":"u","Secret":"canary"})
    );
    assert!(
        !fs::read_to_string(home.dir.path().join(DOCKER))
            .unwrap()
            .contains("canary")
    );
    assert_eq!(home.credentials.remove("r.io").unwrap().len(), 1);
    assert!(!kept.exists());
}

#[test]
fn a_linked_config_stays_a_link() {
    let home = home();
    home.write("dotfiles/config.json", "{}");
    fs::create_dir_all(home.dir.path().join("home/.docker")).unwrap();
    let link = home.dir.path().join(DOCKER);
    std::os::unix::fs::symlink(home.dir.path().join("dotfiles/config.json"), &link).unwrap();
    home.credentials.save("r.io", &basic("u", "p")).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(home.user("r.io", "x"), "u/p");
}

#[test]
fn nothing_prints_a_secret() {
    let credential = basic("u", "canary");
    assert!(!format!("{credential:?}").contains("canary"));
    let bare = Credentials::new(Env::default());
    assert!(matches!(
        bare.save("r.io", &credential),
        Err(CredentialError::NoPlace)
    ));
    assert!(
        bare.lookup("r.io", "x", &Patience::default())
            .credential
            .is_none()
    );
}

#[test]
fn a_helper_that_does_not_answer_is_told_of_and_given_up() {
    let home = home();
    home.script("hangs", "exec sleep 1000000");
    // It says all that it has to say, and does not end.
    home.script("stays", "exec 1>&-; exec sleep 1000000");
    home.write(DOCKER, r#"{"credHelpers":{"h.io":"hangs","s.io":"stays"}}"#);
    for (host, helper) in [("h.io", "hangs"), ("s.io", "stays")] {
        let told = std::cell::RefCell::new(Vec::new());
        let patience = Patience {
            is_cancelled: &|| !told.borrow().is_empty(),
            slow: &|helper| told.borrow_mut().push(helper.to_owned()),
        };
        let lookup = home.credentials.lookup(host, "x", &patience);
        assert!(
            lookup.credential.is_none() && lookup.warnings.is_empty(),
            "{lookup:?}"
        );
        assert_eq!(*told.borrow(), [helper]);
    }
}
