//! `rbuild prune`: removes what is not needed.

use super::df::kind_name;
use super::stored;
use super::streams::{confirm, note, print};
use super::table::Table;
use crate::error::Failure;
use crate::options::size;
use crate::ui::amount;
use clap::Args;
use rbuild_build::{clock, engine};
use rbuild_store::gc::{self, Kind, PruneOptions, Pruned};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Remove the whole build cache too, and layers that were compressed for an export
    #[arg(short, long)]
    pub all: bool,

    /// Remove the contents of cache mounts too
    #[arg(long)]
    pub cache_mounts: bool,

    /// Do not ask
    #[arg(short, long)]
    pub force: bool,

    /// Only what was not used for this long (90m, 24h, 7d), or since this time (2024-05-01T12:00:00Z)
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,

    /// Remove of the build cache what was not used for longest, until the store is smaller than this (500m, 20g)
    #[arg(long, value_name = "SIZE")]
    pub keep_storage: Option<String>,

    /// Say what would be removed, remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

const NANOSECONDS: i64 = 1_000_000_000;

/// Prunes.
///
/// # Errors
/// Something could not be removed, or the user was not asked because there is no terminal.
pub fn run(args: &PruneArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let now = i64::try_from(clock::now()).unwrap_or(i64::MAX);
    let options = PruneOptions {
        all: args.all,
        cache_mounts: args.cache_mounts,
        unused_since: args
            .until
            .as_deref()
            .map(|text| until("--until", text, now))
            .transpose()?,
        keep_bytes: args
            .keep_storage
            .as_deref()
            .map(|text| size("--keep-storage", text))
            .transpose()?,
        dry_run: args.dry_run,
    };
    let Some(store) = stored::existing(root)? else {
        print("freed 0 B\n")?;
        return Ok(0);
    };
    if !args.force && !args.dry_run && !asked(args)? {
        note("nothing was removed");
        return Ok(0);
    }
    // Files of other ids can be removed from within only.
    engine::enter_namespace(&crate::environment::environment().caller())?;
    let pruned = store
        .prune(&options, gc::beginning())
        .map_err(Failure::from_host)?;
    report(&pruned, args.dry_run)
}

fn asked(args: &PruneArgs) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(
            Failure::usage("prune asks before it removes, and there is no terminal to ask on")
                .hint("`rbuild prune -f` does not ask, `rbuild prune --dry-run` only says what would go"),
        );
    }
    note("this removes:");
    note("  - images without a name");
    note("  - what nothing leads to, and what killed processes left");
    if args.all {
        note("  - the build cache, and layers that were compressed for an export");
    } else if args.keep_storage.is_some() {
        note("  - the oldest part of the build cache");
    }
    if args.cache_mounts {
        note("  - the contents of cache mounts");
    }
    confirm("go on?")
}

fn report(pruned: &Pruned, dry_run: bool) -> Result<u8, Failure> {
    let mut text = String::new();
    if dry_run && !pruned.removed.is_empty() {
        let mut table = Table::new(&["TYPE", "NAME", "SIZE"]);
        for removed in &pruned.removed {
            table.row([
                kind_name(removed.kind).to_owned(),
                removed.name.clone(),
                amount::bytes(removed.bytes),
            ]);
        }
        text += &table.render();
        text.push('\n');
    } else {
        let mut kinds: BTreeMap<Kind, (usize, u64)> = BTreeMap::new();
        for removed in &pruned.removed {
            let sum = kinds.entry(removed.kind).or_default();
            *sum = (sum.0 + 1, sum.1 + removed.bytes);
        }
        for (kind, (count, bytes)) in kinds {
            text += &format!("{}: {count} removed, {}\n", kind_name(kind), amount::bytes(bytes));
        }
    }
    let verb = if dry_run { "would free" } else { "freed" };
    text += &format!("{verb} {}\n", amount::bytes(pruned.bytes()));
    print(&text)?;
    for name in &pruned.in_use {
        note(&format!("in use: {name}"));
    }
    for (path, why) in &pruned.failed {
        note(&format!(
            "warning: `{}` could not be removed: {why}",
            path.display()
        ));
    }
    match pruned.failed.len() {
        0 => Ok(0),
        count => Err(Failure::host(format!(
            "{count} of the store's files could not be removed"
        ))),
    }
}

/// The time, in nanoseconds since 1970, that a text means: so long before `now` (seconds), or itself.
///
/// # Errors
/// It means none.
pub fn until(flag: &str, text: &str, now: i64) -> Result<i64, Failure> {
    let seconds = match clock::parse_rfc3339(text) {
        Some(seconds) => Some(seconds),
        None => duration(text).and_then(|length| now.checked_sub(length)),
    };
    seconds
        .and_then(|seconds| seconds.checked_mul(NANOSECONDS))
        .ok_or_else(|| {
            Failure::usage(format!(
                "{flag}: `{text}` is neither a length of time like 24h nor a time like 2024-05-01T12:00:00Z"
            ))
        })
}

/// Seconds of `1h30m`, `7d`, `90s`.
fn duration(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        let unit = match rest.as_bytes().get(digits)? {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = rest.get(digits + 1..)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_prune_until() {
        let seconds = |text| until("--until", text, 1_000_000).map(|at| at / NANOSECONDS).ok();
        assert_eq!(seconds("24h"), Some(1_000_000 - 86_400));
        assert_eq!(seconds("1h30m"), Some(1_000_000 - 5400));
        assert_eq!(seconds("0s"), Some(1_000_000));
        assert_eq!(seconds("1970-01-02T00:00:00Z"), Some(86_400));
        for wrong in [
            "",
            "24",
            "h",
            "24x",
            "-1h",
            "1h ",
            "99999999999999999999d",
            "9223372036854775807w",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
