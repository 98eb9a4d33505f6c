use super::*;
use crate::listing::Listing;

const BEFORE: Timestamp = at(1_700_000_000, 500_000_000);
const AFTER: Timestamp = at(1_700_000_060, 500_000_000);
const MINUTE: Duration = Duration::from_secs(60);

const fn at(secs: i64, nanos: u32) -> Timestamp {
    Timestamp { secs, nanos }
}

fn file(content: &str, time: Timestamp) -> Entry {
    let meta = Metadata::new(0o644, 0, 0).with_mtime(time.secs, time.nanos);
    Entry::file("f", content.len() as u64, FileHash::of(content.as_bytes()), meta)
}

/// Whether a file with this content and time has it by being set, where these were to be read.
fn is_set(entries: &[Entry], content: &str, time: Timestamp) -> bool {
    let layer = TreeLayer::in_memory(Listing::new(entries.to_vec()).unwrap(), "nowhere");
    let dates = Dates::new(Window::new(BEFORE, AFTER, MINUTE), vec![layer]);
    let mut hash = || Ok(FileHash::of(content.as_bytes()));
    let shape = Shape::File(content.len() as u64);
    dates.is_set(time, shape, None, &mut hash).unwrap()
}

#[test]
fn what_was_made_while_the_command_ran_has_no_date() {
    for own in [
        BEFORE,
        AFTER,
        at(1_700_000_030, 1),
        // Cut to whole seconds, and a tick ahead.
        at(1_700_000_000, 0),
        at(1_700_000_060, 504_000_000),
    ] {
        assert!(!is_set(&[], "x", own), "{own:?}");
    }
    for set in [
        at(0, 0),
        at(-1, 0),
        at(1_699_999_990, 0),
        at(1_700_000_070, 0),
        at(i64::MAX, 0),
        at(i64::MIN, 0),
    ] {
        assert!(is_set(&[], "x", set), "{set:?}");
    }
}

#[test]
fn a_clock_that_is_set_meanwhile_makes_no_dates() {
    let year = 31_536_000;
    for jump in [-year, year] {
        let after = at(AFTER.secs + jump, AFTER.nanos);
        let window = Window::new(BEFORE, after, MINUTE);
        for own in [
            BEFORE,
            at(BEFORE.secs + 59, 0),
            after,
            at(after.secs - 59, 999_999_999),
        ] {
            assert!(window.contains(own), "{jump}: {own:?}");
        }
        assert!(!window.contains(at(BEFORE.secs - 2 * year, 0)));
    }
}

#[test]
fn a_time_that_is_taken_along_is_worth_what_it_was() {
    let time = at(1_600_000_000, 123_456_789);
    let below = [file("one", time)];
    // The file under another name, or what was made of it, by programs that keep less and less of the time.
    for nanos in [123_456_789, 123_456_000, 123_000_000, 0] {
        let time = at(time.secs, nanos);
        for content in ["one", "packed"] {
            assert!(!is_set(&below, content, time), "{content} {nanos}");
            assert!(is_set(&[], content, time), "{content} {nanos}");
        }
    }
    assert!(is_set(&below, "one", at(time.secs, 123_456_788)));
    assert!(is_set(&below, "one", at(time.secs + 1, 0)));
    // What was set below is set here.
    let mut dated = file("one", time);
    dated.meta.dated = true;
    assert!(is_set(&[dated], "one", time));
}

/// A checkout may have whole seconds; so has what somebody sets. Then the content tells.
#[test]
fn a_whole_second_is_taken_along_with_the_content() {
    let time = at(1_600_000_000, 0);
    let below = [file("one", time)];
    assert!(!is_set(&below, "one", time));
    assert!(is_set(&below, "two", time));
    assert!(is_set(&below, "one", at(1_600_000_000, 1)));
}

#[test]
fn what_keeps_its_time_keeps_its_worth() {
    let dates = Dates::new(Window::new(BEFORE, AFTER, MINUTE), Vec::new());
    let mut unread = || panic!("the content does not matter");
    let meta = Metadata::new(0o644, 0, 0);
    for (time, in_window) in [(at(5, 5), false), (at(1_700_000_030, 0), true)] {
        for dated in [false, true] {
            let old = Metadata {
                mtime: time,
                dated,
                ..meta.clone()
            };
            let found = dates.is_set(time, Shape::Dir, Some(&old), &mut unread);
            assert_eq!(found.unwrap(), dated);
            let other = old.with_date(77, 0);
            let found = dates.is_set(time, Shape::Dir, Some(&other), &mut unread);
            assert_eq!(found.unwrap(), !in_window);
        }
    }
}
