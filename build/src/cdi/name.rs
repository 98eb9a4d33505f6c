//! `vendor.com/class=name`, a qualified device name, and `vendor.com/class`, the kind alone.

/// Kind and name; no name when only a kind stands there.
pub(super) fn split(qualified: &str) -> (&str, Option<&str>) {
    match qualified.split_once('=') {
        Some((kind, name)) => (kind, Some(name)),
        None => (qualified, None),
    }
}

/// Checks what a Dockerfile asks for: a kind, a device of it, or `kind=*`.
pub(super) fn check(wanted: &str) -> Result<(), String> {
    let (kind, name) = split(wanted);
    check_kind(kind)?;
    match name {
        None | Some("*") => Ok(()),
        Some(name) => check_device(name),
    }
}

/// Checks `vendor.com/class`.
pub(super) fn check_kind(kind: &str) -> Result<(), String> {
    let wrong = || format!("`{kind}` is no kind of device: expected `vendor.com/class`");
    let (vendor, class) = kind.split_once('/').ok_or_else(wrong)?;
    let is_label = |label: &str| {
        is_alphanumeric_around(label)
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    let vendor_fits = vendor.len() <= 253 && vendor.split('.').all(is_label);
    let class_fits = class.len() <= 63 && is_plain(class, "-_.");
    if vendor_fits && class_fits {
        Ok(())
    } else {
        Err(wrong())
    }
}

/// Checks the name of a device of some kind.
pub(super) fn check_device(name: &str) -> Result<(), String> {
    if is_plain(name, "-_.:") {
        Ok(())
    } else {
        Err(format!(
            "`{name}` is no name of a device: expected letters, digits, and `-`, `_`, `.`, `:` between them"
        ))
    }
}

fn is_plain(text: &str, between: &str) -> bool {
    is_alphanumeric_around(text)
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || between.contains(c))
}

fn is_alphanumeric_around(text: &str) -> bool {
    let ends = [text.chars().next(), text.chars().next_back()];
    ends.iter()
        .all(|end| end.is_some_and(|c| c.is_ascii_alphanumeric()))
}
