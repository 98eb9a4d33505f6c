//! Any bytes: decoding, parsing, checking and drawing never panic, and all spans are inside the text.
#![no_main]

use dockerfile_parser::{decode, lint, parse, parse_onbuild_trigger, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(source) = decode(data) else { return };
    let parsed = parse(source);
    let mut diagnostics = parsed.diagnostics;
    diagnostics.extend(lint::check(&parsed.dockerfile, &lint::LintInput::default()));
    for diagnostic in &diagnostics {
        assert!(source.get(diagnostic.span.range()).is_some(), "{diagnostic:?}");
        for (span, _) in &diagnostic.secondary {
            assert!(source.get(span.range()).is_some(), "{diagnostic:?}");
        }
    }
    let drawn = render::render_all("Dockerfile", source, &diagnostics);
    assert!(!drawn.chars().any(|ch| ch.is_control() && ch != '\n'));
    let _ = parse_onbuild_trigger(source);
});
