//! `.dockerignore`: which file counts, what its lines mean, what need not be readable.

use std::path::Path;

use crate::harness::env::is_root;
use crate::harness::{OciImage, TestEnv, peer, skip};

const COPY_ALL: &str = "FROM scratch\nCOPY . /\n";

fn paths(image: &OciImage) -> Vec<String> {
    image.tree().into_keys().filter(|path| !path.is_empty()).collect()
}

/// The paths of a context that a `.dockerignore` leaves.
fn left(env: &TestEnv, ignore: &str, files: &[&str]) -> Vec<String> {
    let files: Vec<(&str, &str)> = files.iter().map(|file| (*file, "")).collect();
    let context = env.context_of(COPY_ALL, &files);
    std::fs::write(context.join(".dockerignore"), ignore).unwrap();
    let mut paths = paths(&env.image([""; 0], &context));
    paths.retain(|path| path != "Dockerfile" && path != ".dockerignore");
    paths
}

#[test]
fn what_the_lines_mean() {
    let env = TestEnv::new();
    let cases: [(&str, &[&str], &[&str]); 17] = [
        ("a\n", &["a", "b/a", "ab"], &["ab", "b", "b/a"]),
        ("/a\n./b\nc/../d\n", &["a", "b", "c", "d"], &["c"]),
        ("b\n", &["b/c/d", "x"], &["x"]),
        ("b/\n", &["b/c", "x"], &["x"]),
        ("*.md\n", &["x.md", "d/x.md"], &["d", "d/x.md"]),
        ("**/*.md\n", &["x.md", "d/e/x.md", "x"], &["d", "d/e", "x"]),
        ("**/t/**\n", &["t/a", "d/t/b/c", "d/u"], &["d", "d/t", "d/u", "t"]),
        (
            "d/**/z\n",
            &["d/z", "d/e/f/z", "d/y"],
            &["d", "d/e", "d/e/f", "d/y"],
        ),
        ("?[b-c]\n", &["ab", "ac", "ad", "abc"], &["abc", "ad"]),
        ("*\n!keep\n", &["a", "b/c", "keep"], &["keep"]),
        ("*\n!d/keep\n", &["a", "d/x", "d/keep"], &["d", "d/keep"]),
        (
            "*\n!**/keep\n",
            &["a", "d/e/keep", "d/x"],
            &["d", "d/e", "d/e/keep"],
        ),
        (
            "d\n!d/k\nd/k/x\n",
            &["d/a", "d/k/x", "d/k/y"],
            &["d", "d/k", "d/k/y"],
        ),
        ("!a\na\n", &["a", "b"], &["b"]),
        (
            "  sp  \n# comment\n\n #no\n",
            &["sp", "#no", "# comment"],
            &["# comment"],
        ),
        ("\u{feff}bom\r\ncr\r\n", &["bom", "cr", "x"], &["x"]),
        ("\\*\n\\!x\n", &["*", "a", "!x"], &["a"]),
    ];
    for (ignore, files, expected) in cases {
        assert_eq!(left(&env, ignore, files), expected, "{ignore:?} on {files:?}");
    }
}

#[test]
fn which_ignore_file_counts() {
    let env = TestEnv::new();
    let context = env.context_of(
        COPY_ALL,
        &[
            ("a", ""),
            ("b", ""),
            ("sub/Other", COPY_ALL),
            ("lower/dockerfile", COPY_ALL),
        ],
    );
    std::fs::write(context.join(".dockerignore"), "a\n*ocker*\n.*\nsub\nlower\n").unwrap();
    assert_eq!(
        paths(&env.image([""; 0], &context)),
        ["b"],
        "the Dockerfile is used, though ignored"
    );
    std::fs::write(
        context.join("sub/Other.dockerignore"),
        "b\n*ocker*\n.*\nsub\nlower\n",
    )
    .unwrap();
    let other = context.join("sub/Other");
    assert_eq!(
        paths(&env.image(["-f".as_ref(), other.as_os_str()], &context)),
        ["a"]
    );
    std::fs::write(context.join("Dockerfile.dockerignore"), "*\n").unwrap();
    assert_eq!(paths(&env.image([""; 0], &context)), [""; 0]);
    // Dockerfile from elsewhere, and from standard input: the context's own.
    let elsewhere = env.write("elsewhere/Dockerfile", COPY_ALL);
    assert_eq!(
        paths(&env.image(["-f".as_ref(), elsewhere.as_os_str()], &context)),
        ["b"]
    );
    let dest = env.path("stdin.tar");
    env.building(["-f", "-", "-o"])
        .arg(format!("type=oci,dest={}", dest.display()))
        .arg(&context)
        .stdin(COPY_ALL)
        .run()
        .success();
    assert_eq!(paths(&OciImage::from_archive(&dest)), ["b"]);
    // A lower-case dockerfile has its own too.
    let lower = context.join("lower");
    std::fs::write(lower.join("dockerfile.dockerignore"), "*ocker*\n").unwrap();
    std::fs::write(lower.join("x"), "").unwrap();
    assert_eq!(paths(&env.image([""; 0], &lower)), ["x"]);
}

#[test]
fn one_directory_under_two_ignore_files_is_two_contexts() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch AS one\nCOPY . /\nFROM scratch AS two\nCOPY --from=x . /\n\
                      FROM scratch\nCOPY --from=one / /one\nCOPY --from=two / /two\n";
    let context = env.context_of(
        dockerfile,
        &[
            ("a", ""),
            ("b", ""),
            (".dockerignore", "a\n.*\n*ocker*\nignores\n"),
        ],
    );
    // Its name is that of the other one.
    std::fs::create_dir(context.join("ignores")).unwrap();
    std::fs::write(context.join("ignores/.dockerignore"), "b\n.*\n*ocker*\nignores\n").unwrap();
    let flags = [
        format!("--ignorefile={}", context.join("ignores/.dockerignore").display()),
        format!("--build-context=x={}", context.display()),
    ];
    assert_eq!(
        paths(&env.image(flags, &context)),
        ["one", "one/a", "two", "two/b"]
    );
}

#[test]
fn a_flag_names_the_ignore_file() {
    let env = TestEnv::new();
    let context = env.context_of(COPY_ALL, &[("a", ""), ("b", ""), (".dockerignore", "a\n")]);
    let other = env.write("other", "*ocker*\nb\n");
    assert_eq!(
        paths(&env.image(["--ignorefile".as_ref(), other.as_os_str()], &context)),
        ["a"]
    );
    env.building(["--ignorefile", "nowhere"])
        .arg(&context)
        .run()
        .exits(125)
        .says("`nowhere`");
}

#[test]
fn named_contexts_have_their_own_and_stages_none() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch AS one\nCOPY --from=more . /\nFROM scratch\nCOPY . /main/\nCOPY --from=one . /one/\nCOPY --from=more x /more/\n";
    let context = env.context_of(dockerfile, &[("x", ""), ("y", "")]);
    std::fs::write(context.join(".dockerignore"), "x\n.*\nDockerfile\n").unwrap();
    let more = env.context("more", &[("x", ""), ("y", ""), (".dockerignore", "y\n.*\n")]);
    let flag = format!("more={}", more.display());
    let image = env.image(["--build-context", &flag], &context);
    assert_eq!(
        paths(&image),
        ["main", "main/y", "more", "more/x", "one", "one/x"]
    );
}

#[test]
fn a_hidden_source_is_named_with_its_pattern() {
    let env = TestEnv::new();
    let files = [
        ("secret/key", "k"),
        ("a.log", ""),
        (".dockerignore", "# nothing\nsecret\n*.log\n"),
    ];
    env.refused("FROM scratch\nCOPY secret/key /\n", &files)
        .says("secret/key")
        .says("`secret` in .dockerignore")
        .says("Dockerfile:2");
    env.refused("FROM scratch\nADD a.log /\n", &files)
        .says("`*.log` in .dockerignore");
    // A pattern that only hits what is hidden hits nothing.
    let image = env.image_of("FROM scratch\nCOPY *.log Dockerfile /\n", &files);
    assert_eq!(paths(&image), ["Dockerfile"]);
}

#[test]
fn what_is_ignored_need_not_be_readable() {
    let env = TestEnv::new();
    // A directory of another user, which not even the user namespace lets one read; Debian has this one everywhere.
    let (context, locked) = (Path::new("/var/cache"), Path::new("/var/cache/ldconfig"));
    if !locked.is_dir() || std::fs::read_dir(locked).is_ok() {
        skip::because_of_host(
            "what_is_ignored_need_not_be_readable",
            "this user may read /var/cache/ldconfig",
        );
        return;
    }
    let dockerfile = env.write("Dockerfile", COPY_ALL);
    let build = |ignore: &str| {
        env.write("Dockerfile.dockerignore", ignore);
        env.building(["-f"])
            .arg(&dockerfile)
            .arg(context)
            .run()
            .no_panic()
    };
    build("*\n").success();
    build("*\n!apt/nothing-of-this-name\n").success();
    // Something in it may be wanted: what cannot be seen must not be left out silently.
    for wanted in ["!ldconfig", "!ldconfig/aux-cache", "!**/aux-cache"] {
        build(&format!("*\n{wanted}\n"))
            .exits(1)
            .says("Permission denied")
            .says("Dockerfile:2");
    }
    // Only what is copied must be readable.
    std::fs::write(&dockerfile, "FROM scratch\nCOPY apt/nothing-of-this-name* /\n").unwrap();
    build("").success();
}

#[test]
fn malformed_patterns_are_shown() {
    let env = TestEnv::new();
    for (ignore, line, words) in [
        ("ok\n[a\n", 2, "[a"),
        ("!\n", 1, "!"),
        ("a\n\n# c\nb[]\n", 4, "b[]"),
    ] {
        let context = env.context_of(COPY_ALL, &[(".dockerignore", ignore)]);
        let refused = env.building([""; 0]).arg(&context).run().no_panic();
        assert_ne!(refused.code(), 0, "{refused}");
        assert!(
            refused.err().contains(&format!(".dockerignore:{line}")),
            "{refused}"
        );
        assert!(refused.err().contains(words), "{refused}");
    }
}

#[test]
fn triggers_and_mounts_see_it_too() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local AS one\nONBUILD COPY . /copied/\nFROM one\nRUN --mount=type=bind,target=/ctx find /ctx | sort > /seen\n";
    let context = env.context_of(
        dockerfile,
        &[("x", ""), ("d/y", ""), (".dockerignore", "x\n.*\nDockerfile\n")],
    );
    let tree = env.image([""; 0], &context).tree();
    let copied: Vec<&str> = tree
        .keys()
        .filter(|path| path.starts_with("copied"))
        .map(String::as_str)
        .collect();
    assert_eq!(copied, ["copied", "copied/d", "copied/d/y"]);
    assert_eq!(tree["seen"].text(), "/ctx\n/ctx/d\n/ctx/d/y\n");
}

/// Patterns and paths made by a small generator; what buildah leaves, we leave.
#[test]
fn as_buildah_reads_it() {
    if !is_root() || !skip::unless_installed("as_buildah_reads_it", &["buildah"]) {
        return;
    }
    let env = TestEnv::new();
    let files = [
        "a", "b/a", "b/c/a", "b/c/d.md", "ab/x.md", "ab/c/a", "c.md", "d/e/f/g", "[x]", "x y",
    ];
    let ignores = [
        "a\n!b/a\n",
        "**/a\n!b/**/a\n",
        "b/*\n!b/c\n",
        "*/c\n!b/c/d.md\n",
        "**\n!*.md\n",
        "*b*\n",
        "d/**\n!d/e/f\n",
        "[[]x]\n?b\n",
        "x y\nab/../b\n",
        "*\n!ab/c\nab/c/a\n",
    ];
    for ignore in ignores {
        let files: Vec<(&str, &str)> = files.iter().map(|file| (*file, "x")).collect();
        let context = env.context_of(COPY_ALL, &files);
        std::fs::write(context.join(".dockerignore"), ignore).unwrap();
        let ours = paths(&env.image([""; 0], &context));
        let theirs = buildah_paths(&env, &context);
        // buildah leaves an empty directory where all that was in it is ignored; only files are compared.
        let files = |paths: &[String]| -> Vec<String> {
            paths
                .iter()
                .filter(|path| context.join(path).is_file())
                .cloned()
                .collect()
        };
        assert_eq!(files(&ours), files(&theirs), "{ignore:?}: ours, then buildah's");
    }
}

fn buildah_paths(env: &TestEnv, context: &Path) -> Vec<String> {
    let layout = env.path("peer-layout");
    let _ = std::fs::remove_dir_all(&layout);
    peer::buildah(env)
        .args(["build", "--layers=false", "-q", "-t", "peer"])
        .arg(context)
        .run()
        .success();
    peer::buildah(env)
        .args(["push", "-q", "peer"])
        .arg(format!("oci:{}:peer", layout.display()))
        .run()
        .success();
    paths(&OciImage::from_dir(&layout))
}
