//! Authentication: basic, bearer, tokens that end, identity tokens; and that nothing leaks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rbuild_registry::*;

use crate::fake::{Asked, Fake, Reply};
use crate::fixture::*;

const CANARY: &str = "canary-Pa55w0rd";

/// A token server; each token is `t<number>`.
fn token_server(expires_in: u64) -> Fake {
    let n = AtomicUsize::new(0);
    Fake::start(move |_| {
        let n = n.fetch_add(1, Ordering::Relaxed) + 1;
        Reply::new(200).body(format!(
            r#"{{"token":"t{n}","expires_in":{expires_in},"issued_at":"2001-01-01T00:00:00Z"}}"#
        ))
    })
}

fn challenge(realm: &Fake) -> Reply {
    let host = realm.host();
    Reply::new(401).header(
        "WWW-Authenticate",
        format!(r#"Bearer realm="http://{host}/token?x=1",service="a, \"b\"",scope="repository:a:pull""#),
    )
}

fn query(asked: &Asked) -> Vec<&str> {
    asked
        .target
        .split_once('?')
        .map(|(_, q)| q.split('&').collect())
        .unwrap_or_default()
}

#[test]
fn bearer_anonymous_and_cached() {
    let tokens = token_server(300);
    let good = image("x");
    let documents = serve(vec![(good.manifest.clone(), good.descriptor.clone())]);
    let refusal = challenge(&tokens);
    let fake = Fake::start(move |asked| match asked.header("authorization") {
        Some("Bearer t1") => documents(asked),
        _ => refusal.clone(),
    });
    let client = setup().client();
    for _ in 0..3 {
        client.resolve(&reference(&fake, "a:1"), &linux()).unwrap();
    }
    assert_eq!(fake.asked().len(), 4, "one refusal, then the token is known");
    assert_eq!(tokens.asked().len(), 1);
    let asked = &tokens.asked()[0];
    assert_eq!(asked.path(), "/token");
    assert_eq!(
        query(asked),
        ["x=1", "service=a%2C%20%22b%22", "scope=repository%3Aa%3Apull"]
    );
    assert_eq!(asked.header("authorization"), None);
}

#[test]
fn bearer_with_password_shows_it_only_to_the_token_server() {
    let home = tempfile::tempdir().unwrap();
    let tokens = token_server(300);
    let refusal = challenge(&tokens);
    let good = image("x");
    let documents = serve(vec![(good.manifest.clone(), good.descriptor.clone())]);
    let fake = Fake::start(move |asked| match asked.header("authorization") {
        Some("Bearer t1") => documents(asked),
        None => refusal.clone(),
        other => panic!("{other:?}"),
    });
    let setup = setup().login(home.path(), &fake.host(), &password("u", CANARY));
    setup
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap();
    let asked = &tokens.asked()[0];
    assert!(asked.header("authorization").unwrap().starts_with("Basic "));
    assert!(query(asked).contains(&"account=u"));
    assert!(!asked.target.contains(CANARY));
}

/// A token that ends is replaced before it is used; one that is refused early, after.
#[test]
fn tokens_are_renewed() {
    let tokens = token_server(60);
    let refusal = challenge(&tokens);
    let good = image("x");
    let documents = serve(vec![(good.manifest.clone(), good.descriptor.clone())]);
    let n = AtomicUsize::new(0);
    let fake = Fake::start(move |asked| {
        // The fourth request finds its token revoked.
        let revoked = n.fetch_add(1, Ordering::Relaxed) == 3;
        if asked.header("authorization").is_none() || revoked {
            refusal.clone()
        } else {
            documents(asked)
        }
    });
    let setup = setup();
    let client = setup.client();
    let pull = || client.resolve(&reference(&fake, "a:1"), &linux()).unwrap();
    pull();
    setup.clock.advance(Duration::from_secs(49));
    pull();
    assert_eq!(tokens.asked().len(), 1);
    pull();
    assert_eq!(tokens.asked().len(), 2, "the refused one was replaced");
    setup.clock.advance(Duration::from_secs(51));
    pull();
    assert_eq!(tokens.asked().len(), 3, "the old one was not even tried");
    let sent: Vec<_> = fake
        .asked()
        .iter()
        .map(|a| a.header("authorization").unwrap_or("-").to_owned())
        .collect();
    assert_eq!(
        sent,
        [
            "-",
            "Bearer t1",
            "Bearer t1",
            "Bearer t1",
            "Bearer t2",
            "Bearer t3"
        ]
    );
    assert_eq!(setup.retries(), 0);
}

#[test]
fn identity_tokens_are_posted() {
    let home = tempfile::tempdir().unwrap();
    let tokens = Fake::start(|_| Reply::new(200).body(r#"{"access_token":"at","expires_in":300}"#));
    let refusal = challenge(&tokens);
    let good = image("x");
    let documents = serve(vec![(good.manifest.clone(), good.descriptor.clone())]);
    let fake = Fake::start(move |asked| match asked.header("authorization") {
        Some("Bearer at") => documents(asked),
        _ => refusal.clone(),
    });
    let credential = Credential::IdentityToken(Secret::new("id/ent+ity"));
    let setup = setup().login(home.path(), &fake.host(), &credential);
    setup
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap();
    let asked = &tokens.asked()[0];
    assert_eq!(asked.line(), "POST /token?x=1");
    assert_eq!(
        asked.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        String::from_utf8_lossy(&asked.body),
        "grant_type=refresh_token&client_id=rbuild&refresh_token=id%2Fent%2Bity&service=a%2C%20%22b%22\
         &scope=repository%3Aa%3Apull"
    );
}

#[test]
fn registry_tokens_are_sent_as_they_are() {
    let home = tempfile::tempdir().unwrap();
    let good = image("x");
    let documents = serve(vec![(good.manifest.clone(), good.descriptor.clone())]);
    let fake = Fake::start(move |asked| match asked.header("authorization") {
        Some("Bearer direct") => documents(asked),
        _ => Reply::new(401).header("WWW-Authenticate", "Bearer realm=\"http://127.0.0.1:1/\""),
    });
    let setup = setup().login(
        home.path(),
        &fake.host(),
        &Credential::RegistryToken(Secret::new("direct")),
    );
    setup
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap();
}

#[test]
fn basic_is_remembered() {
    let home = tempfile::tempdir().unwrap();
    let good = image("x");
    let documents = serve(vec![(good.manifest.clone(), good.descriptor.clone())]);
    let fake = Fake::start(move |asked| match asked.header("authorization") {
        Some("Basic dTpw") => documents(asked),
        _ => Reply::new(401).header("WWW-Authenticate", "Negotiate, Basic realm=\"a, b\""),
    });
    let setup = setup().login(home.path(), &fake.host(), &password("u", "p"));
    let client = setup.client();
    client.resolve(&reference(&fake, "a:1"), &linux()).unwrap();
    client.resolve(&reference(&fake, "a:1"), &linux()).unwrap();
    assert_eq!(fake.asked().len(), 3);
}

#[test]
fn refusals_are_final_and_name_the_login() {
    let home = tempfile::tempdir().unwrap();
    let tokens = Fake::start(|_| Reply::new(401).body(r#"{"details":"incorrect username or password"}"#));
    let refusal = challenge(&tokens);
    let fake = Fake::start(move |_| refusal.clone());
    let setup = setup().login(home.path(), &fake.host(), &password("u", CANARY));
    let error = setup
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert_eq!(error.attempt.action, Action::Authenticate);
    assert!(
        error.to_string().contains("incorrect username or password"),
        "{error}"
    );
    assert_eq!(error.attempt.host, fake.host());
    assert_eq!((tokens.asked().len(), setup.retries()), (1, 0));

    let basic = Fake::start(|_| Reply::new(401).header("WWW-Authenticate", "Basic realm=x"));
    let error = setup
        .client()
        .resolve(&reference(&basic, "a:1"), &linux())
        .unwrap_err();
    assert_eq!(
        (error.status(), basic.asked().len()),
        (Some(401), 1),
        "nothing to try it again with"
    );
    assert_eq!(error.attempt.host, basic.host());

    let odd = Fake::start(|_| Reply::new(401).header("WWW-Authenticate", "Negotiate"));
    let error = setup
        .client()
        .resolve(&reference(&odd, "a:1"), &linux())
        .unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::AuthScheme(s) if s == "Negotiate"));
}

/// A fresh token that is refused is not fetched again and again.
#[test]
fn a_useless_token_ends_it() {
    let tokens = token_server(300);
    let refusal = challenge(&tokens);
    let fake = Fake::start(move |_| refusal.clone());
    let error = setup()
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert_eq!((fake.asked().len(), tokens.asked().len()), (2, 1));
}

#[test]
fn token_servers_fail_too() {
    let good = image("x");
    let n = AtomicUsize::new(0);
    let tokens = Fake::start(move |_| match n.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::new(503),
        _ => Reply::new(200).body(r#"{"token":"t"}"#),
    });
    let refusal = challenge(&tokens);
    let documents = serve(vec![(good.manifest.clone(), good.descriptor.clone())]);
    let fake = Fake::start(move |asked| match asked.header("authorization") {
        Some(_) => documents(asked),
        None => refusal.clone(),
    });
    setup()
        .client()
        .resolve(&reference(&fake, "a:1"), &linux())
        .unwrap();
    assert_eq!(tokens.asked().len(), 2, "a server's hiccup is tried again");

    for body in [
        "",
        "{}",
        r#"{"token":""}"#,
        r#"{"token":"canary\n"}"#,
        r#"["canary"]"#,
    ] {
        let tokens = Fake::start(move |_| Reply::new(200).body(body));
        let refusal = challenge(&tokens);
        let fake = Fake::start(move |_| refusal.clone());
        let error = setup()
            .client()
            .resolve(&reference(&fake, "a:1"), &linux())
            .unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn ping_checks_the_given_password() {
    let fake = Fake::start(|asked| match (asked.path(), asked.header("authorization")) {
        ("/v2/", Some("Basic dTpw")) => Reply::new(200).body("{}"),
        ("/v2/", _) => Reply::new(401)
            .header("WWW-Authenticate", "Basic realm=x")
            .body(r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#),
        _ => Reply::new(404),
    });
    let client = setup().client();
    client.ping(&fake.host(), Some(&password("u", "p"))).unwrap();
    let error = client
        .ping(&fake.host(), Some(&password("u", CANARY)))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot reach the registry {}: 401 Unauthorized: UNAUTHORIZED: authentication required",
            fake.host()
        )
    );
    assert_eq!((error.status(), error.attempt.action), (Some(401), Action::Ping));
    assert_eq!(client.ping(&fake.host(), None).unwrap_err().status(), Some(401));
    assert!(client.ping("not a host", None).is_err());

    let tokens = token_server(60);
    let refusal = Reply::new(401).header(
        "WWW-Authenticate",
        format!("Bearer realm=\"http://{}/t\",service=\"s\"", tokens.host()),
    );
    let bearer = Fake::start(move |asked| match asked.header("authorization") {
        Some("Bearer t1") => Reply::new(200),
        _ => refusal.clone(),
    });
    client.ping(&bearer.host(), Some(&password("u", "p"))).unwrap();
    assert_eq!(
        query(&tokens.asked()[0]),
        ["service=s", "account=u"],
        "a login asks for no repository"
    );
}

/// A registry says who gives tokens. Without TLS that is another host only where the user has said that it may be.
#[test]
fn a_token_server_elsewhere_without_tls_gets_no_credentials() {
    let home = tempfile::tempdir().unwrap();
    let elsewhere = "http://plain.example:1/token";
    let fake = Fake::start(move |_| {
        let realm = format!("Bearer realm=\"{elsewhere}\"");
        Reply::new(401).header("WWW-Authenticate", realm)
    });
    let is_refused = |setup: Setup| {
        let client = setup.client();
        let error = client.resolve(&reference(&fake, "a:1"), &linux()).unwrap_err();
        matches!(&error.kind, ErrorKind::Redirect { to, .. } if to == "plain.example:1")
    };
    let login = || setup().login(home.path(), &fake.host(), &password("u", CANARY));
    assert!(is_refused(login()));
    // Nobody hears anything secret, or the user wants it so: then it is asked, here in vain.
    assert!(!is_refused(setup()));
    let mut trusting = login();
    trusting.options.insecure = HostSet::Listed(["plain.example:1".to_owned()].into());
    assert!(!is_refused(trusting));
}

/// A secret that passes through every part shows up in no error, event or Debug output.
#[test]
fn no_leak() {
    let home = tempfile::tempdir().unwrap();
    let tokens = Fake::start(|asked| match asked.path() {
        "/token" => Reply::new(200).body(format!(r#"{{"token":"{CANARY}-token"}}"#)),
        _ => Reply::new(500),
    });
    let refusal = challenge(&tokens);
    let fake = Fake::start(move |asked| match asked.header("authorization") {
        None => refusal.clone(),
        Some(_) => Reply::new(302).header("Location", format!("http://127.0.0.1:1/x?sig={CANARY}")),
    });
    let setup = setup().login(home.path(), &fake.host(), &password("u", CANARY));
    let client = setup.client();
    let error = client.resolve(&reference(&fake, "a:1"), &linux()).unwrap_err();
    let mut seen = format!("{error} {error:?} {client:?} {:?}", setup.options);
    seen.push_str(&format!("{:?}", setup.events.lock().unwrap()));
    assert!(!seen.contains(CANARY), "{seen}");
    assert!(!seen.contains("dTpj"), "nor its base64: {seen}");
}
