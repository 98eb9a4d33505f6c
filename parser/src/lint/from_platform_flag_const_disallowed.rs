//! A fixed platform in FROM.

use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::platform::Platform;

pub(super) const DEFINITION: Definition = Definition {
    docs: "A fixed `--platform` keeps the file from being built for another one. `$BUILDPLATFORM` is for tools that run during the build. A stage that has the platform in its name is taken to mean it.",
    bad: "FROM --platform=linux/amd64 alpine AS build\n",
    good: "FROM --platform=$BUILDPLATFORM alpine AS build\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    for stage in &cx.dockerfile.stages {
        let Some(word) = stage.from.platform.as_ref().filter(|word| !word.has_variables()) else {
            continue;
        };
        let default = Platform::new("linux", "amd64", "");
        if let (Some(name), Ok(platform)) = (stage.name(), Platform::parse(&word.text, &default))
            && (name.contains(&platform.os) || name.contains(&platform.architecture))
        {
            continue;
        }
        let message = format!("the stage is for `{}` whatever is built for", word.text);
        let diagnostic = cx.report(word.span, message);
        *diagnostic = diagnostic
            .clone()
            .with_help("leave it out, or use `$BUILDPLATFORM` for tools of the build");
    }
}
