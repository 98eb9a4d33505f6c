//! `RUN --device`: which devices of the host a step gets, and whether it may have them.

use super::finding::Finding;
use super::stage::StageLowering;
use crate::cdi::{Edits, Registry};
use crate::ops::spec::ExecDevices;
use dockerfile_parser::instruction::Device;
use dockerfile_parser::suggest::nearest;

impl StageLowering<'_, '_> {
    pub(super) fn devices(&mut self, requests: &[Device]) -> Result<ExecDevices, Finding> {
        let mut warnings = Vec::new();
        let devices = self.find_devices(requests, &mut warnings);
        for warning in warnings {
            self.report(warning.of_host());
        }
        devices
    }

    fn find_devices(&self, requests: &[Device], warnings: &mut Vec<Finding>) -> Result<ExecDevices, Finding> {
        let input = self.stages.input();
        let mut devices = ExecDevices::default();
        let mut found = Vec::new();
        for request in requests {
            let name = self.expand(&request.name)?;
            let wanted = input.entitlements.device_named(&name);
            let matching = input
                .devices
                .find(wanted)
                .map_err(|why| Finding::error(why, request.span).of_host())?;
            if matching.is_empty() {
                let absent = absent(wanted, request, input.devices);
                if request.required {
                    return Err(absent.of_host());
                }
                warnings.push(absent);
            }
            for device in matching {
                if !device.is_auto_allowed() && !input.entitlements.allows_device(&device.name) {
                    return Err(Finding::error(
                        format!("the device `{}` must be allowed for this build", device.name),
                        request.span,
                    )
                    .help(format!(
                        "add `--allow device={}` to the command line",
                        device.name
                    ))
                    .of_host());
                }
                if !devices.names.contains(&device.name) {
                    devices.names.push(device.name.clone());
                    found.push(device);
                }
            }
            devices.edits = Edits::of(&found).map_err(|unsupported| {
                Finding::error(unsupported.to_string(), request.span)
                    .help(format!(
                        "{} says so; give a spec without it with `--cdi-spec-dir DIR`",
                        unsupported.file.display()
                    ))
                    .of_host()
            })?;
        }
        if let (Some(first), [_, ..]) = (requests.first(), devices.edits.kept_modes.as_slice()) {
            let paths = devices.edits.kept_modes.join("`, `");
            let message = format!("the mode and owner of `{paths}` stay those of the host");
            warnings.push(
                Finding::warning(message, first.span).label("the spec asks for others, without effect"),
            );
        }
        Ok(devices)
    }
}

/// A device that is not here: an error if it is required, else a warning.
fn absent(wanted: &str, request: &Device, registry: &Registry) -> Finding {
    let message = format!("there is no device `{wanted}` on this host");
    let finding = match request.required {
        true => Finding::error(message, request.span).label("required by this step"),
        false => Finding::warning(message, request.span).label("the step runs without it"),
    };
    let names: Vec<&str> = registry.names().collect();
    let mut help = match (nearest(wanted, names.iter().copied()), names.as_slice()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => {
            let directories: Vec<String> = registry
                .directories()
                .iter()
                .map(|directory| directory.display().to_string())
                .collect();
            format!("no devices are described in {}", directories.join(", "))
        }
        (None, names) => format!("the devices of this host: {}", names.join(", ")),
    };
    for fault in registry.faults() {
        help += &format!("; not read: {fault}");
    }
    finding.help(help)
}
