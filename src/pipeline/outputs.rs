//! Where a built image goes: the store, registries, archives, directories; and the files that tell about it.

use super::SourceFile;
use crate::error::Failure;
use crate::interrupt;
use crate::options::BuildOptions;
use crate::ui::{Printer, Summary};
use dockerfile_parser::Diagnostic;
use rbuild_build::engine::Engine;
use rbuild_build::export;
use rbuild_build::pull::Progress;
use rbuild_build::request::{Destination, ImageForm, Output};
use rbuild_layer::tree::TreeView;
use rbuild_oci::Reference;
use rbuild_solver::{Event, EventKind};
use rbuild_store::Store;
use rbuild_store::image::ImageRecord;
use rbuild_store::image::export::{ExportOptions, Prepared};
use rbuild_store::snapshot::Snapshot;
use std::io::Write;
use std::time::Instant;

/// What the outputs of one build need.
pub(super) struct Outputs<'a> {
    /// The flags.
    pub options: &'a BuildOptions,
    /// The store.
    pub store: &'a Store,
    /// What the steps shared.
    pub engine: &'a Engine,
    /// Progress.
    pub printer: &'a Printer,
    /// When the build began.
    pub started: Instant,
    /// The Dockerfile.
    pub file: &'a SourceFile,
    /// What the checks found in it.
    pub found: &'a [Diagnostic],
    /// Enters the cold phase: only there can the files of every user be read. Does nothing the second time.
    pub enter: &'a dyn Fn() -> Result<(), Failure>,
}

impl Outputs<'_> {
    /// Sends the image and the files of its `snapshot` where the flags say. Returns the manifest that it went out
    /// with last, if it went anywhere with one.
    ///
    /// # Errors
    /// An output cannot be written; those before it are whole, those after it not begun.
    pub(super) fn write(
        &self,
        image: &ImageRecord,
        snapshot: Option<&Snapshot>,
        summary: &mut Summary,
    ) -> Result<Option<Prepared>, Failure> {
        // The record comes first: exports find layers through it, and nothing collects them meanwhile.
        let keep = self
            .options
            .request
            .outputs
            .iter()
            .any(|output| matches!(output, Output::Image { .. }));
        if keep {
            self.store.images().put(image).map_err(Failure::from_host)?;
        }
        let mut prepared = None;
        for output in &self.options.request.outputs {
            if !matches!(output, Output::Image { push: false, .. }) {
                (self.enter)()?;
            }
            match output {
                Output::Image { push, form, .. } => {
                    prepared = self
                        .image(image, &self.names(output)?, *push, form, summary)?
                        .or(prepared);
                }
                Output::Oci { dest, tar, form, .. } => {
                    let names = self.names(output)?.iter().map(Reference::to_string).collect();
                    let title = format!("writing {} (oci)", shown(dest));
                    let written = self.task(&title, |_| {
                        export::oci(self.store, &[(image, names)], dest, *tar, &self.form(form))
                    })?;
                    prepared = written.into_iter().next().or(prepared);
                    summary.outputs.push(format!("{} (oci)", shown(dest)));
                }
                Output::Docker { dest, .. } => {
                    let names = self.names(output)?.iter().map(Reference::to_string).collect();
                    let title = format!("writing {} (docker)", shown(dest));
                    self.task(&title, |_| {
                        export::docker_archive(self.store, &[(image, names)], dest)
                    })?;
                    summary.outputs.push(format!("{} (docker)", shown(dest)));
                }
                Output::Local { dest } => {
                    let title = format!("writing {} (local)", dest.display());
                    let left_out = self.task(&title, |_| {
                        export::local(&tree(snapshot)?, dest, self.options.request.epoch)
                    })?;
                    if !left_out.is_empty() {
                        self.printer.message(&format!(
                            "warning: device files are left out: {}",
                            left_out.join(", ")
                        ));
                    }
                    summary.outputs.push(format!("{} (local)", dest.display()));
                }
                Output::Tar { dest } => {
                    let title = format!("writing {} (tar)", shown(dest));
                    self.task(&title, |_| {
                        export::tar(&tree(snapshot)?, dest, self.options.request.epoch)
                    })?;
                    summary.outputs.push(format!("{} (tar)", shown(dest)));
                }
            }
        }
        Ok(prepared)
    }

    fn image(
        &self,
        image: &ImageRecord,
        names: &[Reference],
        push: bool,
        form: &ImageForm,
        summary: &mut Summary,
    ) -> Result<Option<Prepared>, Failure> {
        for name in names {
            self.store
                .images()
                .tag(&name.to_string(), &image.id)
                .map_err(Failure::from_host)?;
            summary.tags.push(name.familiar());
        }
        let mut prepared = None;
        for name in names.iter().filter(|_| push) {
            let title = format!("pushing {}", name.familiar());
            let pushed = self.task(&title, |progress| {
                rbuild_build::push::push(
                    self.store,
                    &self.engine.puller,
                    image,
                    name,
                    &self.form(form),
                    progress,
                )
            })?;
            summary.outputs.push(format!(
                "{} (pushed, {})",
                name.familiar(),
                pushed.manifest.digest
            ));
            prepared = Some(pushed);
        }
        Ok(prepared)
    }

    /// Shows work that may take a while as a step.
    fn task<T>(
        &self,
        title: &str,
        work: impl FnOnce(Progress<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (printer, started, began) = (self.printer, self.started, Instant::now());
        let vertex = printer.task(title);
        let tell = |kind| {
            printer.event(&Event {
                vertex,
                at: started.elapsed(),
                kind,
            });
        };
        tell(EventKind::Started);
        let result = work(&|done, total| {
            tell(EventKind::Progress {
                done,
                total: Some(total),
                label: String::new(),
            });
        });
        tell(match &result {
            Ok(_) => EventKind::Completed {
                cost: began.elapsed(),
            },
            Err(_) if interrupt::requested() => EventKind::Cancelled,
            Err(failure) => EventKind::Failed {
                message: failure.one_line(),
            },
        });
        result
    }

    /// The names of `-t` and the output's own.
    fn names(&self, output: &Output) -> Result<Vec<Reference>, Failure> {
        let mut names = self.options.request.tags.clone();
        for name in output.names() {
            let name = crate::options::reference("-o name=", name)?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn form(&self, form: &ImageForm) -> ExportOptions {
        let docker = form
            .oci_media_types
            .map_or(self.options.request.docker_format, |oci| !oci);
        let options = export::options(form.compression, docker);
        ExportOptions {
            force: form.force_compression,
            ..options
        }
    }

    /// `--iidfile`, `--metadata-file` and the image id of `-q`.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn describe(&self, image: &ImageRecord, prepared: Option<&Prepared>) -> Result<(), Failure> {
        if let Some(path) = &self.options.iidfile {
            export::write_bytes(path, image.id.to_string().as_bytes())?;
        }
        if let Some(path) = &self.options.metadata_file {
            let json = self.metadata(image, prepared)?;
            let text = serde_json::to_vec_pretty(&json)
                .map_err(|error| Failure::host(format!("writing `{}`: {error}", path.display())))?;
            export::write_bytes(path, &text)?;
        }
        // An archive on standard output must stay one.
        if self.options.quiet && !self.options.request.outputs.iter().any(Output::is_stdout) {
            writeln!(std::io::stdout(), "{}", image.id)
                .map_err(|error| Failure::host(format!("writing to standard output: {error}")))?;
        }
        Ok(())
    }

    /// The keys are those of buildx. A digest of a manifest is there only when one was written: an image in the store
    /// has none before its layers are compressed.
    fn metadata(
        &self,
        image: &ImageRecord,
        prepared: Option<&Prepared>,
    ) -> Result<serde_json::Value, Failure> {
        let mut json = serde_json::json!({ "containerimage.config.digest": image.id.to_string() });
        if let Some(prepared) = prepared {
            json["containerimage.digest"] = prepared.manifest.digest.to_string().into();
            json["containerimage.descriptor"] =
                serde_json::to_value(&prepared.manifest).map_err(Failure::from_host)?;
        }
        let mut names: Vec<String> = Vec::new();
        for output in &self.options.request.outputs {
            names.extend(self.names(output)?.iter().map(Reference::to_string));
        }
        names.sort_unstable();
        names.dedup();
        json["rbuild.warnings"] = crate::call::findings_json(self.file, self.found)["warnings"].take();
        if !names.is_empty() {
            json["image.name"] = names.join(",").into();
        }
        Ok(json)
    }
}

fn tree(snapshot: Option<&Snapshot>) -> Result<TreeView, Failure> {
    match snapshot {
        Some(snapshot) => snapshot.tree().map_err(Failure::from_host),
        None => Ok(TreeView::default()),
    }
}

fn shown(dest: &Destination) -> String {
    match dest {
        Destination::Path(path) => path.display().to_string(),
        Destination::Stdout => "standard output".to_owned(),
    }
}
