use super::*;

fn sample() -> Preimage {
    Preimage::new("copy", 1)
        .input("base", "sha256:11")
        .text("dest", "/app")
        .tree("source", tree(&[("a", "x"), ("b", "y")]))
}

fn tree(files: &[(&str, &str)]) -> Fingerprints {
    files.iter().copied().collect()
}

#[test]
fn equal_work_means_that_the_record_was_lost() {
    assert_eq!(compare(&sample(), &sample()), MissReason::RecordLost);
}

#[test]
fn a_changed_field_tells_old_and_new() {
    let old = Preimage::new("exec", 1)
        .text("argv", "make")
        .text("env CC", "gcc");
    let new = Preimage::new("exec", 1)
        .text("argv", "make -j2")
        .text("env CFLAGS", "-O2");
    let reason = compare(&old, &new);
    assert_eq!(
        reason.to_string(),
        "`argv` changed from `make` to `make -j2`\n`env CFLAGS` is new: `-O2`\n`env CC` is gone, it was `gcc`"
    );
    assert_eq!(
        reason.headline(),
        "`argv` changed from `make` to `make -j2`, and 2 more changes"
    );
}

#[test]
fn a_change_in_a_long_script_shows_its_line() {
    let script =
        |flag: &str| Preimage::new("exec", 1).text("script", format!("set -e\nmake {flag}\nmake install\n"));
    assert_eq!(
        compare(&script("all"), &script("check")).to_string(),
        "`script` changed in line 2 from `make all` to `make check`"
    );
    let long = |end: &str| Preimage::new("exec", 1).text("argv", format!("{}{end}", "x".repeat(200)));
    let words = compare(&long("old"), &long("new")).to_string();
    assert!(
        words.contains("xxold`") && words.contains("xxnew`") && words.len() < 120,
        "{words}"
    );
}

#[test]
fn an_input_is_told_apart_from_a_field() {
    let new = Preimage::new("copy", 1)
        .input("base", format!("sha256:{}", "ab".repeat(32)))
        .text("dest", "/app")
        .tree("source", tree(&[("a", "x"), ("b", "y")]));
    let reason = compare(&sample(), &new);
    assert!(
        matches!(&reason, MissReason::InputChanged { field, .. } if field == "base"),
        "{reason:?}"
    );
    assert_eq!(
        reason.to_string(),
        "what it builds on has other content: `base` was sha256:11, is abababababab"
    );
}

#[test]
fn files_are_listed_by_what_happened_to_them() {
    let old = Preimage::new("copy", 1).tree(
        "source",
        tree(&[("a", "file 0644 1"), ("gone", "z"), ("same", "s")]),
    );
    let new = Preimage::new("copy", 1).tree(
        "source",
        tree(&[("a", "file 0755 1"), ("new", "z"), ("same", "s")]),
    );
    let reason = compare(&old, &new);
    assert_eq!(
        reason,
        MissReason::FilesChanged {
            field: "source".to_owned(),
            added: vec!["new".to_owned()],
            removed: vec!["gone".to_owned()],
            modified: vec![FileChange {
                path: "a".to_owned(),
                old: "file 0644 1".to_owned(),
                new: "file 0755 1".to_owned()
            }],
            total: 3,
        }
    );
    assert_eq!(
        reason.to_string(),
        "source: 3 files differ: `a` changed, `new` is new, `gone` is gone\n  changed a: 0644 -> 0755\n  new     new\n  gone    gone"
    );
    assert_eq!(
        reason.headline(),
        "source: 3 files differ: `a` changed, `new` is new, `gone` is gone"
    );
}

#[test]
fn one_file_has_a_line_of_its_own() {
    let old = Preimage::new("copy", 1).tree("files", tree(&[("src/main.c", "file 1")]));
    let new = Preimage::new("copy", 1).tree("files", tree(&[("src/main.c", "file 2")]));
    assert_eq!(compare(&old, &new).headline(), "`src/main.c` changed");
    assert_eq!(compare(&old, &new).to_string(), "`src/main.c` changed: 1 -> 2");
    let new = Preimage::new("copy", 1).tree("files", tree(&[("src/main.c", "file 1"), ("b", "file 1")]));
    assert_eq!(compare(&old, &new).to_string(), "`b` is new");
}

#[test]
fn long_lists_are_cut_and_counted() {
    let many: Fingerprints = (0..1000).map(|index| (format!("f{index:04}"), "x")).collect();
    let old = Preimage::new("copy", 1).tree("source", Fingerprints::default());
    let reason = compare(&old, &Preimage::new("copy", 1).tree("source", many));
    let MissReason::FilesChanged { added, total, .. } = &reason else {
        panic!("{reason:?}")
    };
    assert_eq!((added.len(), *total), (FILES_LISTED, 1000));
    assert!(reason.to_string().ends_with("\n  and 980 more"), "{reason}");
    assert_eq!(
        reason.headline(),
        "source: 1000 files differ: `f0000`, `f0001` and `f0002` are new, 997 more"
    );
}

#[test]
fn fields_of_one_name_are_compared_in_order_and_order_itself_counts() {
    let old = Preimage::new("exec", 1).text("env", "A=1").text("env", "B=2");
    let new = Preimage::new("exec", 1).text("env", "A=1").text("env", "B=3");
    assert_eq!(
        compare(&old, &new).to_string(),
        "`env` changed from `B=2` to `B=3`"
    );

    let ab = Preimage::new("exec", 1).text("a", "1").text("b", "2");
    let ba = Preimage::new("exec", 1).text("b", "2").text("a", "1");
    assert_eq!(
        compare(&ab, &ba).to_string(),
        "`order of fields` changed from `a b` to `b a`"
    );
}

#[test]
fn another_revision_is_not_blamed_on_the_user() {
    let reason = compare(&Preimage::new("exec", 1), &Preimage::new("exec", 2));
    assert_eq!(
        reason.to_string(),
        "its cache key is made by other rules (`exec 1`, now `exec 2`)"
    );
}

#[test]
fn bytes_that_are_no_text_are_told_apart() {
    let of = |target: &[u8]| {
        let fingerprint = [b"symlink ", target, b" 0777"].concat();
        Preimage::new("copy", 1).tree("files", [(b"l\xff", fingerprint)].into_iter().collect())
    };
    assert_eq!(
        compare(&of(b"caf\xe9"), &of(b"caf\xe8")).to_string(),
        r"`l\xff` changed: caf\xe9 -> caf\xe8"
    );
}

#[test]
fn a_file_name_cannot_write_on_the_terminal() {
    let old = Preimage::new("copy", 1).tree("source", Fingerprints::default());
    let new = Preimage::new("copy", 1).tree("source", tree(&[("evil\x1b[2J\nname", "x")]));
    let reason = compare(&old, &new);
    for words in [reason.to_string(), reason.headline()] {
        assert!(
            !words.contains('\x1b') && words.lines().all(|line| !line.starts_with("name")),
            "{words:?}"
        );
    }
}
