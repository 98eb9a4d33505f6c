//! Expansion never panics, and text without special characters stays as it is.
#![no_main]

use dockerfile_parser::Word;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (String, String)| {
    let (text, value) = input;
    let scope = |name: &str| (name.len() == 1).then(|| value.clone());
    let expanded = Word::synthetic(text.clone()).expand(&scope);
    let list = Word::synthetic(text.clone()).expand_list(&scope);
    assert_eq!(expanded.is_ok(), list.is_ok());
    if let (Ok(expanded), false) = (expanded, text.contains(['$', '\\', '"', '\''])) {
        assert_eq!(expanded.value, text);
    }
});
