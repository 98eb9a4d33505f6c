//! `--chown` with a name that the image does not know.

use crate::instruction::Source;
use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::{InstructionKind, Word, ignore};

pub(super) const DEFINITION: Definition = Definition {
    docs: "The user or group of `--chown` is not in the `/etc/passwd` or `/etc/group` of the image, so a build fails here. The checks tell it where no step before may have made the user, and the base is `scratch` or in the store.",
    bad: "FROM scratch\nCOPY --chown=nobody a /\n",
    good: "FROM scratch\nCOPY --chown=65534 a /\n",
    default: true,
    buildkit: false,
    check,
};

/// Where the users are from that a stage has at an instruction.
#[derive(Clone, Copy)]
enum Users {
    /// From nowhere: there is no file yet.
    Nowhere,
    /// From the base image of this stage.
    Base(usize),
    /// A step may have changed them.
    Unknown,
}

fn check(cx: &mut Checker<'_>) {
    let mut at_end: Vec<Users> = Vec::with_capacity(cx.dockerfile.stages.len());
    for stage in &cx.dockerfile.stages {
        let mut users = match cx.parent(stage) {
            Some(parent) => at_end[parent],
            None if stage.from.base.text == "scratch" => Users::Nowhere,
            None => Users::Base(stage.index),
        };
        for instruction in &stage.instructions {
            let (chown, dest, sources) = match &instruction.kind {
                InstructionKind::Copy(copy) => (&copy.chown, &copy.dest, &copy.sources),
                InstructionKind::Add(add) => (&add.chown, &add.dest, &add.sources),
                InstructionKind::Run(_) => {
                    users = Users::Unknown;
                    continue;
                }
                _ => continue,
            };
            if let Some(word) = chown {
                owner(cx, word, users);
            }
            if may_bring_users(dest, sources) {
                users = Users::Unknown;
            }
        }
        at_end.push(users);
    }
}

/// Reports an owner that is not there.
fn owner(cx: &mut Checker<'_>, word: &Word, users: Users) {
    if word.has_variables() {
        return;
    }
    let Ok(owner) = word.expand(&|_: &str| None).map(|expanded| expanded.value) else {
        return;
    };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    // Root is 0 in every image.
    let is_known = |part: &str| is_number(part) || part == "root";
    if owner.strip_prefix(':').unwrap_or(&owner).splitn(2, ':').all(is_known) {
        return;
    }
    let help = match users {
        Users::Unknown => return,
        Users::Nowhere => "an image from `scratch` has no /etc/passwd: write numbers, as in `--chown=65534`",
        Users::Base(stage) => {
            if cx
                .input
                .base_owner
                .and_then(|base_owner| base_owner(stage, &owner))
                != Some(false)
            {
                return;
            }
            "write numbers, or create the user in a step before"
        }
    };
    let diagnostic = cx.report(word.span, format!("the image does not know `{owner}`"));
    *diagnostic = diagnostic.clone().with_help(help);
}

/// Whether a copy may write to /etc.
fn may_bring_users(dest: &Word, sources: &[Source]) -> bool {
    let plain = !dest.has_variables() && dest.text.starts_with('/');
    // What an archive holds is not known, but it is unpacked below the destination too.
    let path = ignore::clean(&dest.text);
    !sources.is_empty() && (!plain || path == "/" || path == "/etc" || path.starts_with("/etc/"))
}
