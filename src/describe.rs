//! What a build says of its result to other programs: `--iidfile`, `--metadata-file`, and the image id of `-q`.

use crate::call::findings_json;
use crate::cli::streams::print;
use crate::error::Failure;
use crate::options::BuildOptions;
use rbuild_build::request::Output;
use rbuild_build::result::StepReport;
use rbuild_build::{BuildResult, export};
use rbuild_oci::Reference;
use rbuild_solver::Outcome;
use std::time::Duration;

/// Writes what the flags ask for.
///
/// # Errors
/// A file cannot be written.
pub fn describe(options: &BuildOptions, result: &BuildResult) -> Result<(), Failure> {
    let id = match &result.manifest {
        // Of images for several platforms the index is the one thing that names them all.
        Some(index) if result.images.len() > 1 => index.digest.to_string(),
        _ => result.image.id.to_string(),
    };
    let stop = &options.request.stop;
    if let Some(path) = &options.iidfile {
        export::write_bytes(path, id.as_bytes(), stop)?;
    }
    if let Some(path) = &options.metadata_file {
        let text = serde_json::to_vec_pretty(&metadata(result)?)
            .map_err(|error| Failure::host(format!("writing `{}`: {error}", path.display())))?;
        export::write_bytes(path, &text, stop)?;
    }
    // An archive on standard output must stay one.
    if options.quiet && !options.request.outputs.iter().any(Output::is_stdout) {
        print(&format!("{id}\n"))?;
    }
    Ok(())
}

/// A step whose command ran, with what it used.
fn step_use(step: &StepReport) -> Option<serde_json::Value> {
    let used = step.used?;
    let took = match step.outcome {
        Outcome::Ran { cost, .. } | Outcome::Failed { cost } => cost,
        Outcome::Resolved | Outcome::Cached { .. } | Outcome::Cancelled => Duration::ZERO,
    };
    Some(serde_json::json!({
        "name": step.title,
        "line": step.line,
        "milliseconds": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "cpuMilliseconds": used.cpu_millis,
        "peakMemory": used.memory_peak,
        "countedBy": if used.counted_by_group { "cgroup" } else { "rusage" },
    }))
}

/// The keys are those of buildx. A digest of a manifest is there only when one was written: an image in the store has
/// none before its layers are compressed.
fn metadata(result: &BuildResult) -> Result<serde_json::Value, Failure> {
    let mut json = match result.images.len() {
        0 | 1 => serde_json::json!({ "containerimage.config.digest": result.image.id.to_string() }),
        _ => {
            let images = result.images.iter();
            let images = images.map(|(platform, id)| (platform.to_string(), id.to_string().into()));
            serde_json::json!({ "rbuild.images": serde_json::Map::from_iter(images) })
        }
    };
    if let Some(manifest) = &result.manifest {
        json["containerimage.digest"] = manifest.digest.to_string().into();
        json["containerimage.descriptor"] = serde_json::to_value(manifest).map_err(Failure::from_host)?;
    }
    json["rbuild.warnings"] = findings_json(&result.file, &result.findings)["warnings"].take();
    let steps: Vec<serde_json::Value> = result.steps.iter().filter_map(step_use).collect();
    if !steps.is_empty() {
        json["rbuild.steps"] = steps.into();
    }
    if !result.names.is_empty() {
        let names: Vec<String> = result.names.iter().map(Reference::to_string).collect();
        json["image.name"] = names.join(",").into();
    }
    Ok(json)
}
