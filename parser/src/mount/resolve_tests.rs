use super::*;

/// Resolves the one mount of `RUN --mount=<value> true`; errors as text.
fn resolve(value: &str) -> Result<ResolvedMount, String> {
    let parsed = crate::parse(&format!("FROM scratch\nRUN --mount={value} true\n"));
    if let Some(error) = parsed.diagnostics.iter().find(|d| d.is_error()) {
        return Err(error.message());
    }
    let instruction = &parsed.dockerfile.stages[0].instructions[0];
    let crate::InstructionKind::Run(run) = &instruction.kind else {
        panic!("{instruction:?}")
    };
    let scope = |name: &str| (name == "X").then(|| "/x".to_owned());
    let from = |name: &str| (name == "G").then(|| "global".to_owned());
    run.mounts[0].resolve(&scope, &from).map_err(|e| e.to_string())
}

fn kind(value: &str) -> ResolvedMountKind {
    resolve(value).unwrap().kind
}

#[test]
fn defaults_of_each_type() {
    assert_eq!(
        kind("target=/a"),
        ResolvedMountKind::Bind(BindMount {
            target: "/a".into(),
            from: None,
            source: "/".into(),
            writable: false
        })
    );
    assert_eq!(
        kind("type=cache,dst=a/b"),
        ResolvedMountKind::Cache(CacheMount {
            target: "a/b".into(),
            id: None,
            sharing: Sharing::Shared,
            from: None,
            source: "/".into(),
            read_only: false,
            mode: 0o755,
            uid: 0,
            gid: 0,
        })
    );
    assert_eq!(
        kind("type=tmpfs,destination=/t,size=64m"),
        ResolvedMountKind::Tmpfs(TmpfsMount {
            target: "/t".into(),
            size: Some(64 << 20),
            read_only: false
        })
    );
    let secret = |id: &str, target: Option<&str>, env: Option<&str>| {
        ResolvedMountKind::Secret(SecretMount {
            id: id.into(),
            target: target.map(Into::into),
            env: env.map(Into::into),
            required: false,
            mode: 0o400,
            uid: 0,
            gid: 0,
        })
    };
    assert_eq!(
        kind("type=secret,id=a"),
        secret("a", Some("/run/secrets/a"), None)
    );
    assert_eq!(
        kind("type=secret,source=a/b"),
        secret("a/b", Some("/run/secrets/b"), None)
    );
    assert_eq!(kind("type=secret,target=/x/y"), secret("y", Some("/x/y"), None));
    assert_eq!(kind("type=secret,id=a,env=B"), secret("a", None, Some("B")));
    assert_eq!(
        kind("type=secret,id=a,env=B,target=/c"),
        secret("a", Some("/c"), Some("B"))
    );
    assert_eq!(
        kind("type=ssh,required"),
        ResolvedMountKind::Ssh(SshMount {
            id: "default".into(),
            target: None,
            required: true,
            mode: 0o600,
            uid: 0,
            gid: 0
        })
    );
}

#[test]
fn options_in_any_order_and_spelling() {
    let ResolvedMountKind::Cache(cache) =
        kind("SHARING=Locked,ID=i,ro=false,mode=0700,uid=1,gid=2,from=img,src=/s,target=/c,type=CACHE")
    else {
        panic!()
    };
    assert_eq!(
        (cache.sharing, cache.id.as_deref(), cache.read_only),
        (Sharing::Locked, Some("i"), false)
    );
    assert_eq!((cache.mode, cache.uid, cache.gid), (0o700, 1, 2));
    assert_eq!(
        (cache.from.as_deref(), cache.source.as_str()),
        (Some("img"), "/s")
    );
    let ResolvedMountKind::Bind(bind) = kind("'target=/a,\"source=x,y\",rw'") else {
        panic!()
    };
    assert_eq!((bind.source.as_str(), bind.writable), ("x,y", true));
}

#[test]
fn variables_expand_in_their_scopes() {
    let ResolvedMountKind::Bind(bind) = kind("target=$X/y,from=$G,source=${UNSET:-s}") else {
        panic!()
    };
    assert_eq!(
        (bind.target.as_str(), bind.from.as_deref(), bind.source.as_str()),
        ("/x/y", Some("global"), "s")
    );
    let resolved = resolve("target=/a$NO,from=i$X").unwrap();
    assert_eq!(
        resolved.undefined.into_iter().map(|(n, _)| n).collect::<Vec<_>>(),
        ["NO", "X"]
    );
}

#[test]
fn refusals() {
    for (value, message) in [
        (
            "type=bnid,target=/a",
            "`bnid` is no value for the mount option `type`: expected `bind`, `cache`, `tmpfs`, `secret` or `ssh`",
        ),
        ("type=bind,traget=/a", "unknown mount option `traget`"),
        ("target=/a/..", "a mount cannot hide the root directory"),
        ("target", "the mount option `target` needs a value"),
        ("target=/a,required", "a bind mount has no option `required`"),
        ("target=/a,size=1", "a bind mount has no option `size`"),
        ("target=/a,mode=1", "a bind mount has no option `mode`"),
        ("type=tmpfs,target=/a,uid=1", "a tmpfs mount has no option `uid`"),
        (
            "type=bind,target=/a,sharing=shared",
            "a bind mount has no option `sharing`",
        ),
        ("type=cache,target=/a,env=X", "a cache mount has no option `env`"),
        ("type=secret", "a secret mount needs `id`"),
        ("type=secret,id=a,src=b", "`id` and `source` say the same thing"),
        ("type=secret,id=a,from=b", "a secret mount has no option `from`"),
        ("type=ssh,source=a", "an ssh mount has no option `source`"),
        (
            "type=cache,target=/a,source=b",
            "the `source` of a cache mount is in the image that `from` names",
        ),
        (
            "type=cache,target=/a,sharing=all",
            "`all` is no value for the mount option `sharing`: expected `shared`, `private` or `locked`",
        ),
        (
            "type=cache,target=/a,mode=999",
            "`999` is no value for the mount option `mode`: expected an octal mode like `0755`",
        ),
        (
            "type=cache,target=/a,mode=77777",
            "`77777` is no value for the mount option `mode`: expected an octal mode like `0755`",
        ),
        (
            "type=cache,target=/a,uid=-1",
            "`-1` is no value for the mount option `uid`: expected a number",
        ),
        (
            "type=tmpfs,target=/a,size=big",
            "`big` is no value for the mount option `size`: expected a size like `64m`",
        ),
        (
            "target=/a,ro=maybe",
            "`maybe` is no value for the mount option `ro`: expected `true` or `false`",
        ),
        (
            "target=/a,bind-propagation=rshared",
            "the mount option `bind-propagation` is not supported",
        ),
        ("target=/a,", "a mount is options separated by commas"),
        ("", "a mount is options separated by commas"),
        ("'a\"b'", "a mount is options separated by commas"),
    ] {
        assert_eq!(resolve(value).map(|_| ()), Err(message.to_owned()), "{value}");
    }
}

#[test]
fn options_without_effect_are_told() {
    let ignored = |value: &str| -> Vec<String> {
        resolve(value)
            .unwrap()
            .ignored
            .into_iter()
            .map(|(_, option)| option)
            .collect()
    };
    assert_eq!(ignored("target=/a,z,U,id=x"), ["z", "u", "id"]);
    assert_eq!(ignored("target=/a,target=/b"), ["target"]);
    assert_eq!(ignored("type=secret,id=a,rw"), ["rw"]);
    assert_eq!(ignored("type=secret,id=a,ro"), Vec::<String>::new());
}
