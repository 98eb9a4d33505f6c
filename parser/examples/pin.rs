//! Puts digests behind the bases of the Dockerfile on standard input, and leaves every other byte as it is.
//!
//! ```console
//! $ cargo run -p dockerfile-parser --example pin -- alpine:3.20=sha256:1234… < Dockerfile
//! ```

use std::collections::HashMap;
use std::io::Read;

use dockerfile_parser::parse;

fn main() -> std::io::Result<()> {
    let pins: HashMap<String, String> = std::env::args()
        .skip(1)
        .filter_map(|pin| {
            pin.split_once('=')
                .map(|(image, digest)| (image.to_owned(), digest.to_owned()))
        })
        .collect();
    let mut source = String::new();
    std::io::stdin().read_to_string(&mut source)?;
    let dockerfile = parse(&source).dockerfile;
    let mut pinned = source.clone();
    // From the end to the beginning, so that the spans that are still to come stay right.
    for stage in dockerfile.stages.iter().rev() {
        let base = stage.base();
        // The name of an earlier stage is no image, whatever it is called.
        if dockerfile.stage_by_ref(&base.text, Some(stage.index)).is_none()
            && let Some(digest) = pins.get(&base.text)
        {
            pinned.insert_str(base.span.end, &format!("@{digest}"));
        }
    }
    print!("{pinned}");
    Ok(())
}
