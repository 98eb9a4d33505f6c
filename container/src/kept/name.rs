//! Names for containers that are given none.

const KINDS: [&str; 48] = [
    "able", "agile", "amber", "apt", "azure", "bold", "brave", "bright", "brisk", "calm", "candid", "clear",
    "clever", "crisp", "deft", "eager", "fair", "fleet", "fond", "frank", "gentle", "glad", "grand", "hardy",
    "jolly", "keen", "kind", "lively", "lucid", "mellow", "merry", "mild", "neat", "nimble", "noble",
    "plucky", "proud", "quick", "quiet", "rapid", "ready", "serene", "sharp", "steady", "sunny", "swift",
    "vivid", "wise",
];

const THINGS: [&str; 48] = [
    "acorn", "alder", "aspen", "badger", "beech", "birch", "bison", "brook", "cedar", "comet", "condor",
    "coral", "crane", "delta", "dune", "ember", "falcon", "fern", "finch", "fjord", "geyser", "glacier",
    "harbor", "heron", "island", "ivy", "jaguar", "kestrel", "lagoon", "larch", "lynx", "maple", "marten",
    "meadow", "nebula", "oak", "otter", "pebble", "pine", "plover", "quartz", "raven", "reef", "river",
    "spruce", "summit", "tern", "willow",
];

/// A name of random bits; `attempt` is how many like it were taken.
#[must_use]
pub fn random_name(random: u32, attempt: u32) -> String {
    let pick = |words: &[&'static str; 48], bits: u32| words[bits as usize % words.len()];
    let name = format!(
        "{}_{}",
        pick(&KINDS, random & 0xffff),
        pick(&THINGS, random >> 16)
    );
    match attempt {
        0 => name,
        more => format!("{name}{more}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_names_can_be_names() {
        for random in [0, 1, 0xffff_ffff, 0x0001_0000] {
            assert!(rbuild_store::containers::is_name(&random_name(random, 3)));
        }
        assert_ne!(random_name(0, 0), random_name(1, 0));
        assert_ne!(random_name(0, 0), random_name(0x0001_0000, 0));
        assert!(KINDS.is_sorted() && THINGS.is_sorted());
    }
}
