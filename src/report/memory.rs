//! Words for a command that ran out of memory.

use rbuild_sandbox::cgroup::Statistics;

/// `out of memory: …`, with what was used, and the limit where that was reached.
#[must_use]
pub fn out_of_memory(counted: &Statistics) -> String {
    let processes = match counted.oom_kills {
        Some(0 | 1) | None => "a process".to_owned(),
        Some(many) => format!("{many} processes"),
    };
    let peak = counted.memory_peak.map(amount).unwrap_or_default();
    match (counted.memory_limit, counted.memory_peak) {
        // Swap comes on top, so the peak of memory alone says little of a limit that is not reached.
        (Some(limit), Some(used)) if used >= limit - limit / 8 => format!(
            "out of memory: the kernel killed {processes} at the limit of {} (peak {peak})",
            amount(limit)
        ),
        (Some(limit), Some(_)) => format!(
            "out of memory: the kernel killed {processes} at a peak of {peak}, below the limit of {}: the machine, or a \
             cgroup around this one, has no more",
            amount(limit)
        ),
        (None, Some(_)) => format!(
            "out of memory: the kernel killed {processes} at a peak of {peak}, without a limit of its own: the machine, or \
             a cgroup around this one, has no more"
        ),
        (Some(limit), None) => format!(
            "out of memory: the kernel killed {processes}, with a limit of {}",
            amount(limit)
        ),
        (None, None) => format!("out of memory: the kernel killed {processes}"),
    }
}

/// In powers of 1024, as limits are given: `64 MiB`.
fn amount(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        // Rounded to tenths.
        let tenths = (u128::from(bytes) * 10 + (1 << (shift - 1))) >> shift;
        match (tenths / 10, tenths % 10) {
            (0, _) => {}
            (whole, 0) => return format!("{whole} {unit}"),
            (whole, tenth) => return format!("{whole}.{tenth} {unit}"),
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_and_the_limit_are_named() {
        let words = |limit, peak, kills| {
            out_of_memory(&Statistics {
                memory_limit: limit,
                memory_peak: peak,
                oom_kills: Some(kills),
                ..Statistics::default()
            })
        };
        assert_eq!(
            words(Some(64 << 20), Some(64 << 20), 1),
            "out of memory: the kernel killed a process at the limit of 64 MiB (peak 64 MiB)"
        );
        assert!(words(Some(64 << 20), Some(1 << 20), 2).contains("2 processes at a peak of 1 MiB, below"));
        assert!(words(None, Some(3 << 29), 1).contains("peak of 1.5 GiB, without a limit"));
        assert!(words(Some(100), None, 1).ends_with("a limit of 100 B"));
    }
}
