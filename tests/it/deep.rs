//! Trees deeper than the stack, the limit of open files, or a path.

use std::path::Path;

use crate::harness::{Base, Kind, TestEnv};

/// More than the descriptors that a process may have.
const DEPTH: usize = 1300;

/// Makes directories in each other, the innermost with a file.
fn nest(top: &Path, depth: usize) {
    std::fs::create_dir_all(top).unwrap();
    let mut dir = rbuild_rootdir::Root::open(top)
        .unwrap()
        .dir()
        .try_clone()
        .unwrap();
    for _ in 0..depth {
        dir.mkdir(b"d").unwrap();
        dir.chmod(b"d", 0o755).unwrap();
        dir = dir.open_dir(b"d").unwrap();
    }
    dir.create_file(b"f").unwrap();
    dir.chmod(b"f", 0o644).unwrap();
}

fn innermost(top: &str, depth: usize) -> String {
    format!("{top}/{}f", "d/".repeat(depth))
}

#[test]
fn deep_trees_go_through_every_instruction() {
    let env = TestEnv::with(&[Base::Busybox]);
    let dockerfile = format!(
        r"FROM busybox:local AS made
RUN p=; i=0; while [ $i -lt {DEPTH} ]; do p=d/$p; i=$((i+1)); done; mkdir -p /run/$p && touch /run/${{p}}f
RUN ulimit -n $(ulimit -Hn); rm -r /run/d/d/d && mkdir -p /run/d/d/d/new
FROM scratch
COPY copied /copied/
COPY --parents copied/d/** /kept/
COPY --from=made /run /made/
ADD t.tar /added/
"
    );
    let context = env.context_of(&dockerfile, &[]);
    nest(&context.join("copied"), DEPTH);
    // All is excluded but what is in the depths.
    std::fs::write(context.join(".dockerignore"), "*\n!t.tar\n!**/f\n").unwrap();
    let mut tar = tar::Builder::new(std::fs::File::create(context.join("t.tar")).unwrap());
    let mut path = String::new();
    for depth in 0..=DEPTH {
        let mut header = tar::Header::new_gnu();
        let is_file = depth == DEPTH;
        path.push_str(if is_file { "f" } else { "d/" });
        header.set_entry_type(if is_file {
            tar::EntryType::Regular
        } else {
            tar::EntryType::Directory
        });
        header.set_mode(0o755);
        header.set_size(0);
        tar.append_data(&mut header, &path, std::io::empty()).unwrap();
    }
    tar.finish().unwrap();
    let image = env.image([""; 0], &context);
    let tree = image.tree();
    for top in ["copied", "kept/copied", "added"] {
        let path = innermost(top, DEPTH);
        assert!(matches!(tree[&path].kind, Kind::File { .. }), "{top}");
    }
    assert_eq!(tree["made/d/d/d/new"].kind, Kind::Dir);
    // Squashed, as files, and taken away again.
    env.image(["--squash-all"], &context);
    let out = env.path("out");
    env.building(["-o"])
        .arg(format!("type=local,dest={}", out.display()))
        .arg(&context)
        .run()
        .success();
    let root = rbuild_rootdir::Root::open(&out).unwrap();
    root.open_file(innermost("copied", DEPTH).as_bytes()).unwrap();
    env.rbuild(["store", "check"]).run().success();
    env.rbuild(["prune", "--all", "--force"]).run().success();
    root.dir().clear().unwrap();
}

#[test]
fn a_path_longer_than_the_kernel_takes_is_refused() {
    let env = TestEnv::with(&[Base::Busybox]);
    let name = "n".repeat(200);
    let refused = |dockerfile: &str, prepare: &dyn Fn(&Path)| {
        let context = env.context_of(dockerfile, &[]);
        prepare(&context);
        env.building([""; 0])
            .arg(&context)
            .run()
            .exits(1)
            .no_panic()
            .says("than the 4,094 bytes that a path may have")
            .says("Dockerfile:2");
    };
    let run = format!(
        "FROM busybox:local\nRUN mkdir /top && cd /top && for i in $(seq 30); do mkdir {name} && cd {name} || exit 0; done\n"
    );
    refused(&run, &|_| {});
    let copy = format!("FROM scratch\nCOPY d /{}/\n", vec![name.as_str(); 18].join("/"));
    refused(&copy, &|context| nest(&context.join("d"), 1000));
    // What is as long as a path may be is fine.
    let long = format!(
        "{}/{}",
        vec![name.as_str(); 20].join("/"),
        "m".repeat(4094 - 20 * 201)
    );
    let context = env.context_of(&format!("FROM scratch\nCOPY f /{long}\n"), &[("f", "F")]);
    assert_eq!(env.image([""; 0], &context).tree()[&long].text(), "F");
    env.rbuild(["store", "check"]).run().success();
}

#[test]
fn a_name_that_images_reserve_is_a_fault_of_the_step() {
    let env = TestEnv::with(&[Base::Busybox]);
    env.refused("FROM busybox:local\nRUN mkdir /d && touch /d/.wh.x\n", &[])
        .exits(1)
        .says("`d/.wh.x` has a name that images reserve for whiteouts")
        .says("Dockerfile:2");
}
