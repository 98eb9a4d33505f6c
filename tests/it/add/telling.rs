//! What is an archive, and what is a file that looks like one.

use super::{Archive, context, gzip};
use crate::harness::{Kind, TestEnv, archive};

#[test]
fn zeros_are_a_file() {
    let env = TestEnv::new();
    // An ext4 image begins with 1,024 zeros; a file that is not written yet is nothing but zeros; an empty tar too.
    let mut image = vec![0; 64 * 1024];
    image[1024..1100].fill(b'e');
    let zeros = vec![0; 10_240];
    let files: [(&str, &[u8]); 5] = [
        ("disk.img", &image),
        ("zeros", &zeros),
        ("disk.img.gz", &gzip(&image)),
        ("zeros.gz", &gzip(&zeros)),
        (
            "half",
            &[&[0; 1024][..], &Archive::new().file("f", "F").bytes()].concat(),
        ),
    ];
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let dockerfile = format!("FROM scratch\nADD {} /\n", names.join(" "));
    let context = context(&env, &dockerfile, &files);
    let image = env.image([""; 0], &context);
    let tree = image.tree();
    for (name, bytes) in files {
        let Kind::File { size, sha256, .. } = &tree[name].kind else {
            panic!("{name}: {:?}", tree[name])
        };
        assert_eq!(*size, bytes.len() as u64, "{name}");
        assert_eq!(*sha256, archive::sha256(bytes), "{name}");
    }
}

#[test]
fn zeros_behind_what_is_compressed_are_padding() {
    let env = TestEnv::new();
    let tar = Archive::new().file("f", "F").bytes();
    let padded = |mut bytes: Vec<u8>| {
        bytes.resize(bytes.len().next_multiple_of(10_240) + 10_240, 0);
        bytes
    };
    let dockerfile = "FROM scratch\nADD t.gz /gz/\nADD t.bz2 /bz2/\n";
    let context = context(&env, dockerfile, &[("t", &tar), ("t.gz", &padded(gzip(&tar)))]);
    let bzip2 = env
        .tool("bzip2")
        .arg("-kc")
        .arg(context.join("t"))
        .run()
        .success();
    std::fs::write(context.join("t.bz2"), padded(bzip2.stdout.clone())).unwrap();
    let tree = env.image([""; 0], &context).tree();
    assert_eq!(
        (tree["gz/f"].text(), tree["bz2/f"].text()),
        ("F".into(), "F".into())
    );
}

#[test]
fn an_archive_is_not_unpacked_onto_a_file() {
    let env = TestEnv::new();
    let tar = Archive::new().file("f", "F").bytes();
    for dockerfile in [
        "FROM scratch\nCOPY plain /here\nADD t.tar /here\n",
        "FROM scratch\nCOPY plain /here\nADD t.tar /here/\n",
        "FROM scratch AS x\nFROM x\nADD plain t.tar /here\n",
    ] {
        let context = context(&env, dockerfile, &[("t.tar", &tar), ("plain", b"plain")]);
        env.building([""; 0])
            .arg(&context)
            .run()
            .exits(1)
            .says("cannot copy to non-directory")
            .says("Dockerfile:3");
    }
    // As the first of several sources it makes the directory that the others go to.
    let context = context(
        &env,
        "FROM scratch\nADD t.tar plain /here\n",
        &[("t.tar", &tar), ("plain", b"plain")],
    );
    let (image, words) = env.image_and_words([""; 0], &context);
    assert_eq!(image.tree()["here/plain"].text(), "plain");
    assert!(!words.err().contains("warning"), "{words}");
}

#[test]
fn sparse_files_of_every_form() {
    const SIZE: u64 = 64 << 20;
    let env = TestEnv::new();
    let context = context(&env, "", &[]);
    let file = std::fs::File::create(context.join("holes")).unwrap();
    let pieces = [
        (0, "begin"),
        (1 << 20, "inside"),
        (40 << 20, "more"),
        (SIZE - 3, "end"),
    ];
    for (at, text) in pieces {
        std::os::unix::fs::FileExt::write_all_at(&file, text.as_bytes(), at).unwrap();
    }
    // More segments than a header has room for.
    for at in 0..60 {
        std::os::unix::fs::FileExt::write_all_at(&file, b"x", (2 << 20) + at * (512 << 10)).unwrap();
    }
    let only_hole = std::fs::File::create(context.join("only-hole")).unwrap();
    only_hole.set_len(SIZE).unwrap();
    let forms = [
        ("gnu", "--format=gnu", "0.0"),
        ("pax-0.0", "--format=posix", "0.0"),
        ("pax-0.1", "--format=posix", "0.1"),
        ("pax-1.0", "--format=posix", "1.0"),
    ];
    let mut dockerfile = String::from("FROM scratch\n");
    for (name, format, version) in forms {
        env.tool("tar")
            .args(["--sparse", format, &format!("--sparse-version={version}"), "-C"])
            .arg(&context)
            .args(["-cf"])
            .arg(context.join(name))
            .args(["holes", "only-hole"])
            .run()
            .success();
        assert!(
            std::fs::metadata(context.join(name)).unwrap().len() < SIZE / 8,
            "{name}"
        );
        dockerfile += &format!("ADD {name} /{name}/\n");
    }
    std::fs::write(context.join("Dockerfile"), dockerfile).unwrap();
    let tree = env.image([""; 0], &context).tree();
    let sum = |path: &str| archive::sha256(&std::fs::read(context.join(path)).unwrap());
    for (name, ..) in forms {
        for file in ["holes", "only-hole"] {
            let Kind::File { size, sha256, .. } = &tree[&format!("{name}/{file}")].kind else {
                panic!("{name}/{file}")
            };
            assert_eq!(
                (*size, sha256.as_str()),
                (SIZE, sum(file).as_str()),
                "{name}/{file}"
            );
        }
    }
}
