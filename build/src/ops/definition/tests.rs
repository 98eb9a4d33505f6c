//! Every field of every kind of vertex, one at a time. `flips!` names all fields of a type without `..`, so that a new
//! field does not compile until it has a flip here.

use super::*;
use crate::context::{BuildContext, Ignore};
use crate::ops::StepId;
use crate::sources::{BaseImage, Origin};
use dockerfile_parser::ignore::IgnoreFile;
use rbuild_oci::{Annotations, Digest, ImageConfig};
use rbuild_store::image::{IMAGE_VERSION, ImageRecord};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Copies of a value, each with another one of its fields changed, and that field's name.
macro_rules! flips {
    ($base:expr => $kind:path { $($field:ident: $value:expr),* $(,)? }) => {{
        let base = &$base;
        #[allow(irrefutable_let_patterns, reason = "of an enum it is not")]
        {
            if let $kind { $($field: _),* } = base {} else { panic!("another variant") }
            vec![$({
                let (mut flipped, value) = (base.clone(), $value);
                if let $kind { $field, .. } = &mut flipped {
                    *$field = value;
                }
                (stringify!($field), flipped)
            }),*]
        }
    }};
}

mod commands;

fn id(ordinal: usize) -> StepId {
    StepId {
        platform: Arc::new(Platform::new("linux", "amd64", "")),
        stage: Some(0),
        ordinal,
    }
}

fn step(spec: StepSpec) -> Step {
    Step {
        id: id(1),
        title: "[1/1] x".into(),
        words_at: 6,
        of: 1,
        stage: "0".into(),
        line: 1,
        span: dockerfile_parser::Span::new(0, 1),
        no_cache: false,
        secrets: Vec::new(),
        spec,
    }
}

/// All of `flipped` differ from `base` and from each other, except in the fields that do not count.
fn differ<T: Clone>(
    base: &T,
    flipped: Vec<(&'static str, T)>,
    uncounted: &[&str],
    of: impl Fn(T) -> StepSpec,
) {
    let digest = |value: &T| definition(&step(of(value.clone())));
    assert_eq!(digest(base), digest(base));
    let mut seen = BTreeSet::from([digest(base)]);
    for (field, value) in flipped {
        if uncounted.contains(&field) {
            assert_eq!(digest(&value), digest(base), "`{field}` counts");
        } else {
            assert!(seen.insert(digest(&value)), "`{field}` does not count");
        }
    }
}

fn context(path: &Path, ignore: Option<(&str, &str)>) -> Arc<BuildContext> {
    let ignore = ignore.map(|(name, text)| Ignore {
        patterns: IgnoreFile::parse(text).unwrap(),
        name: name.to_owned(),
    });
    let context = BuildContext::open(path).unwrap();
    Arc::new(match ignore {
        Some(ignore) => context.with_ignore(ignore),
        None => context,
    })
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

#[test]
fn steps() {
    let base = step(StepSpec::Source(SourceSpec::Scratch));
    let other = StepSpec::Workdir(WorkdirSpec {
        path: "/a".into(),
        user: String::new(),
    });
    let flipped = flips!(base => Step {
        id: id(2), title: "[2/2] xy".into(), words_at: 7, of: 2, stage: "1".into(), line: 2, span: dockerfile_parser::Span::new(1, 2),
        no_cache: true, secrets: vec!["a".into()], spec: other,
    });
    for (field, other) in flipped {
        let counts = matches!(field, "no_cache" | "spec");
        assert_eq!(definition(&base) != definition(&other), counts, "{field}");
    }
}

#[test]
fn images() {
    let stored = |id: &str| {
        Origin::Stored(Box::new(ImageRecord {
            version: IMAGE_VERSION,
            id: digest(id),
            config: String::new(),
            manifest: None,
            snapshot: None,
            layers: Vec::new(),
            annotations: Annotations::default(),
            created: 0,
        }))
    };
    let layout = |path: &str, entry: usize, id: &str| Origin::Layout {
        path: path.into(),
        entry,
        id: id.to_owned(),
    };
    let image = |name: &str, origin| {
        let config = ImageConfig::default();
        StepSpec::Source(SourceSpec::Image(Arc::new(BaseImage::new(
            name.to_owned(),
            origin,
            config,
        ))))
    };
    let distinct = [
        StepSpec::Source(SourceSpec::Scratch),
        image("a", stored("1")),
        image("a", stored("2")),
        image("a", layout("/l", 0, "1")),
        image("a", layout("/m", 0, "1")),
        image("a", layout("/l", 1, "1")),
        image("a", layout("/l", 0, "2")),
        image("a", Origin::Unknown),
        image("b", Origin::Unknown),
    ];
    let digests: BTreeSet<_> = distinct
        .iter()
        .map(|spec| definition(&step(spec.clone())))
        .collect();
    assert_eq!(digests.len(), distinct.len());
    // The same image under two names is one vertex.
    assert_eq!(
        definition(&step(image("a", stored("1")))),
        definition(&step(image("b", stored("1"))))
    );
}

#[test]
fn copies() {
    let base = CopySpec {
        keyword: "COPY",
        sources: vec![CopySource::Snapshot {
            input: 1,
            pattern: "a".into(),
        }],
        dest: "/d".into(),
        chown: None,
        chmod: None,
        link: false,
        parents: false,
        excludes: vec!["a".into()],
        unpack: false,
        unpack_remote: false,
    };
    let chmod = |text: &str| {
        Some(Chmod {
            text: text.to_owned(),
            rules: dockerfile_parser::chmod::Chmod::parse(text).unwrap(),
        })
    };
    let mut flipped = flips!(base => CopySpec {
        keyword: "ADD", sources: Vec::new(), dest: "/e".into(), chown: Some(String::new()),
        chmod: chmod("0644"), link: true, parents: true, excludes: vec!["a".into(), "b".into()],
        unpack: true, unpack_remote: true
    });
    let mode = CopySpec {
        chmod: chmod("u+x"),
        ..base.clone()
    };
    flipped.push(("text of chmod", mode));
    differ(&base, flipped, &[], StepSpec::Copy);

    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let from = |path: &Path, ignore| CopySource::Context {
        context: context(path, ignore),
        pattern: "a".into(),
        literal: false,
    };
    let local = from(here.path(), Some(("x", "a\n")));
    let mut flipped = flips!(local => CopySource::Context {
        context: context(there.path(), Some(("x", "a\n"))), pattern: "b".into(), literal: true,
    });
    flipped.extend([
        ("no ignore file", from(here.path(), None)),
        ("empty ignore file", from(here.path(), Some(("x", "")))),
        ("name of the ignore file", from(here.path(), Some(("y", "a\n")))),
        ("other pattern", from(here.path(), Some(("x", "b\n")))),
        ("more patterns", from(here.path(), Some(("x", "a\n!a\n")))),
        ("line of a pattern", from(here.path(), Some(("x", "#\na\n")))),
    ]);
    copy_sources(&local, flipped, &["line of a pattern"]);

    let snapshot = CopySource::Snapshot {
        input: 1,
        pattern: "a".into(),
    };
    let flipped = flips!(snapshot => CopySource::Snapshot {
        input: 2, pattern: "b".into(),
    });
    copy_sources(&snapshot, flipped, &[]);
    let inline = CopySource::Inline {
        name: "a".into(),
        content: "b".into(),
    };
    let flipped = flips!(inline => CopySource::Inline {
        name: "b".into(), content: "a".into(),
    });
    copy_sources(&inline, flipped, &[]);
}

fn copy_sources(base: &CopySource, flipped: Vec<(&'static str, CopySource)>, uncounted: &[&str]) {
    differ(base, flipped, uncounted, |source| {
        StepSpec::Copy(CopySpec {
            keyword: "COPY",
            sources: vec![source],
            dest: "/d".into(),
            chown: None,
            chmod: None,
            link: false,
            parents: false,
            excludes: Vec::new(),
            unpack: false,
            unpack_remote: false,
        })
    });
}

#[test]
fn workdirs() {
    let base = WorkdirSpec {
        path: "/a".into(),
        user: String::new(),
    };
    let flipped = flips!(base => WorkdirSpec {
        path: "/b".into(), user: "u".into()
    });
    differ(&base, flipped, &[], StepSpec::Workdir);
}

#[test]
fn fetches() {
    let login = Authorization::basic("user", "password");
    let address = HttpAddress {
        url: "http://a/b".into(),
        login: None,
    };
    let file = FetchSpec::Http {
        address: address.clone(),
        checksum: None,
    };
    let addresses = flips!(address => HttpAddress {
        url: "http://a/c".into(), login: login.clone(),
    });
    let mut flipped = flips!(file => FetchSpec::Http {
        address: addresses[0].1.clone(), checksum: Some(digest("a")),
    });
    flipped.push((
        "login",
        FetchSpec::Http {
            address: addresses[1].1.clone(),
            checksum: None,
        },
    ));
    let other = HttpAddress {
        login: Authorization::basic("user", "other"),
        ..address
    };
    flipped.push((
        "password",
        FetchSpec::Http {
            address: other,
            checksum: None,
        },
    ));
    differ(&file, flipped, &[], StepSpec::Fetch);

    let base = GitAddress {
        url: "http://a/b.git".into(),
        ..GitAddress::default()
    };
    let flipped = flips!(base => GitAddress {
        url: "http://a/c.git".into(), login: login.clone(), reference: Some(String::new()),
        subdir: Some(String::new()), checksum: Some(String::new()), keep_git_dir: true,
        no_submodules: true,
    });
    differ(&base, flipped, &[], |address| {
        StepSpec::Fetch(FetchSpec::Git(address))
    });
}
