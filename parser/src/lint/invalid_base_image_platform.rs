//! A base image of another platform.

use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::platform::Platform;

pub(super) const DEFINITION: Definition = Definition {
    docs: "The base image is not for the platform that is built for, so its programs do not run, or only emulated.",
    bad: "FROM example/amd64-only\n",
    good: "FROM example/any\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let (Some(target), Some(base_platform)) = (cx.input.target_platform, cx.input.base_platform) else {
        return;
    };
    for stage in &cx.dockerfile.stages {
        if cx.parent(stage).is_some() {
            continue;
        }
        let wanted = match &stage.from.platform {
            None => target.clone(),
            Some(word) if word.has_variables() => continue,
            Some(word) => match Platform::parse(&word.text, target) {
                Ok(platform) => platform,
                Err(_) => continue,
            },
        };
        if let Some(found) = base_platform(stage.index).filter(|found| *found != wanted) {
            let message = format!("the base image is for {found}, not for {wanted}");
            cx.report(stage.from.base.span, message);
        }
    }
}
