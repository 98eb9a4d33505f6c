//! Against a real overlay: what the kernel shows is what the snapshot's tree shows.
//!
//! A random script runs on an overlay mount in a user namespace (util-linux `unshare`); then GNU tar writes what is seen
//! there, and the committed snapshot must show the same. So must an image made of the two layers' tars.

use std::process::Command;

use rbuild_layer::{TarKind, TarReader};

use super::*;

/// True when a user namespace can mount an overlay here.
pub(super) fn overlay_works(dir: &std::path::Path) -> bool {
    for name in ["l", "u", "w", "m"] {
        std::fs::create_dir_all(dir.join("probe").join(name)).unwrap();
    }
    let script = "cd \"$0\"/probe && mount -t overlay overlay -o userxattr,lowerdir=l,upperdir=u,workdir=w m";
    let probe = Command::new("unshare")
        .args(["-Urm", "sh", "-c", script])
        .arg(dir)
        .output();
    match probe {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            eprintln!(
                "skipped: no overlay in a user namespace: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            false
        }
        Err(error) => {
            eprintln!("skipped: unshare(1) cannot be started: {error}");
            false
        }
    }
}

pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % below
    }

    /// A path of a small set, so that what one command makes the next one hits.
    fn path(&mut self) -> String {
        let names = ["a", "b", "a-b", "c.d"];
        let depth = 1 + self.next(3);
        (0..depth)
            .map(|_| names[self.next(names.len())])
            .collect::<Vec<_>>()
            .join("/")
    }

    fn command(&mut self) -> String {
        let (one, two) = (self.path(), self.path());
        let number = self.next(1000);
        match self.next(16) {
            0..=2 => format!("mkdir -p {one} && echo {number} > {one}/f"),
            3 => format!("echo {number} > {one}"),
            4 => format!("echo {number} >> {one}/f"),
            5 => format!("rm -rf {one}"),
            6 => format!("rm -rf {one} && mkdir {one} && echo {number} > {one}/g"),
            7 => format!("mv {one} {two}"),
            8 => format!("ln -s ../{two} {one}"),
            9 => format!("ln {one}/f {two}"),
            10 => format!("chmod {:o} {one}", 0o700 + self.next(0o100)),
            11 => format!("touch -d @{number} {one}"),
            // Opened for writing and not written: overlay copies it up.
            12 => format!("test -f {one}/f && : >> {one}/f"),
            13 => format!("mkfifo {one}"),
            14 => format!("rm -f {one}/f; touch {one}/f; rm {one}/f"),
            _ => format!("test -f {one}/f && cp -p {one}/f keep && rm {one}/f && mv keep {one}/f"),
        }
    }
}

/// A dozen commands, of which any may fail.
pub(super) fn random_script(random: &mut Random) -> String {
    let lines = (0..12).map(|_| format!("{{ {}; }} 2>/dev/null", random.command()));
    lines.collect::<Vec<_>>().join("\n")
}

/// What a tree shows, comparable with a tar of whole seconds and without owners.
pub(super) fn described(tree: &dyn Tree) -> BTreeMap<String, String> {
    let describe = |node: &Node| {
        let what = match &node.kind {
            NodeKind::File { hash, .. } => format!("file {}", hash.unwrap()),
            NodeKind::Symlink(target) => format!("link {}", String::from_utf8_lossy(target)),
            other => format!("{other:?}"),
        };
        format!("{what} {:o} {}", node.meta.mode, node.meta.mtime.secs)
    };
    all(tree)
        .iter()
        .map(|(path, node)| (path.clone(), describe(node)))
        .collect()
}

/// The same from a tar.
pub(super) fn described_tar(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut reader = TarReader::new(bytes, "merged");
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let name = String::from_utf8(entry.path).unwrap();
        let path = name.trim_start_matches("./").trim_end_matches('/').to_owned();
        let mut content = Vec::new();
        let mut piece = Vec::new();
        while reader.piece(&mut piece, 1 << 16).unwrap() {
            content.extend_from_slice(&piece);
        }
        let what = match entry.kind {
            TarKind::File(_) => format!("file {}", FileHash::of(&content)),
            TarKind::Symlink(target) => format!("link {}", String::from_utf8_lossy(&target)),
            TarKind::Dir => "Dir".to_owned(),
            TarKind::Hardlink(target) => {
                let target = String::from_utf8(target).unwrap();
                let first = seen[target.trim_start_matches("./")].clone();
                seen.insert(path, first);
                continue;
            }
            other => format!("{other:?}"),
        };
        seen.insert(path, format!("{what} {:o} {}", entry.mode, entry.mtime.secs));
    }
    seen.remove("");
    seen
}

pub(super) fn run_script(fixture: &Fixture, active: &ActiveSnapshot<'_>, script: &str) -> Vec<u8> {
    let merged = fixture.dir.path().join("merged");
    let tar = fixture.dir.path().join("merged.tar");
    std::fs::create_dir_all(&merged).unwrap();
    let (lowers, upper, work) = overlay(active);
    let lowers: Vec<_> = lowers
        .iter()
        .map(|path| path.to_str().unwrap().to_owned())
        .collect();
    let options = format!(
        "userxattr,lowerdir={},upperdir={},workdir={}",
        lowers.join(":"),
        upper.display(),
        work.display()
    );
    // GNU tar ends with 1 when a file's ctime moved while it was read, as linked files on an overlay do.
    let whole = format!(
        "mount -t overlay overlay -o {options} {merged} && cd {merged} || exit 1\n{script}\ntar --format=pax -cf {tar} .\ntest $? -le 1\n",
        merged = merged.display(),
        tar = tar.display()
    );
    let output = Command::new("unshare")
        .args(["-Urm", "sh", "-c", &whole])
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{script}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read(&tar).unwrap()
}

#[test]
fn a_random_script_on_a_real_overlay() {
    let fixture = fixture!();
    if !overlay_works(fixture.dir.path()) {
        return;
    }
    for seed in 0..12 {
        let mut random = Random(seed);
        let base = fixture.layer(None, "a/f=1 a/b/f=2 b/f=3 a-b/c.d/f=4 c.d/a>../b keep=k");
        let mut parent = base.clone();
        let mut tars = vec![packed(&fixture, &base)];
        for _ in 0..3 {
            let script = random_script(&mut random);
            let active = fixture.snapshots.begin(Some(&parent), Form::Overlay).unwrap();
            let merged = run_script(&fixture, &active, &script);
            let top = active.commit(&now()).unwrap().snapshot;
            assert_eq!(
                described(&top.tree().unwrap()),
                described_tar(&merged),
                "seed {seed}\n{script}"
            );
            top.verify(&rbuild_layer::Stop::new()).unwrap();
            tars.push(packed(&fixture, &top));
            parent = top;
        }
        let flat = import(&fixture, &tars).unwrap();
        assert_eq!(
            described(&flat.tree().unwrap()),
            described(&parent.tree().unwrap()),
            "seed {seed}"
        );
        flat.verify(&rbuild_layer::Stop::new()).unwrap();
    }
}

#[test]
fn a_put_together_layer_is_what_an_overlay_shows() {
    let fixture = fixture!();
    if !overlay_works(fixture.dir.path()) {
        return;
    }
    let base = fixture.layer(None, "a/f=1 a/g/h=2 b/f=3 c=4");
    let mut layer = fixture.snapshots.begin_layer(Some(&base)).unwrap();
    layer.implicit_dirs(meta(0o755));
    layer.remove(b"a").unwrap();
    layer.bytes(b"a/new", b"5", meta(0o644)).unwrap();
    layer.bytes(b"b/g", b"6", meta(0o644)).unwrap();
    layer.hardlink(b"b/linked", b"b/g").unwrap();
    layer.dir(b"c", meta(0o700)).unwrap();
    layer.symlink(b"c/link", b"../b", meta(0)).unwrap();
    let top = layer.commit(&now()).unwrap().snapshot;
    let active = fixture.snapshots.begin(Some(&top), Form::Overlay).unwrap();
    let merged = run_script(&fixture, &active, "true");
    assert_eq!(described(&top.tree().unwrap()), described_tar(&merged));
    assert!(
        active
            .commit(&now())
            .unwrap()
            .snapshot
            .listing()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_long_chain_is_what_an_overlay_of_its_parts_shows() {
    let fixture = fixture!();
    if !overlay_works(fixture.dir.path()) {
        return;
    }
    let top = super::flat::chain(&fixture, 140);
    let active = fixture.snapshots.begin(Some(&top), Form::Overlay).unwrap();
    assert!(overlay(&active).0.len() < 20);
    let merged = run_script(&fixture, &active, "true");
    assert_eq!(described(&top.tree().unwrap()), described_tar(&merged));
}
