//! `RUN --device`: which devices of the host a step gets, and whether it may have them.

use super::fault::{AbsentDevice, Fault};
use super::finding::Finding;
use super::stage::StageLowering;
use crate::cdi::{Edits, Registry};
use crate::ops::spec::ExecDevices;
use dockerfile_parser::instruction::Device;

impl StageLowering<'_, '_> {
    pub(super) fn devices(&mut self, requests: &[Device]) -> Result<ExecDevices, Finding> {
        let mut warnings = Vec::new();
        let devices = self.find_devices(requests, &mut warnings);
        for warning in warnings {
            self.report(warning);
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
                .map_err(|why| Finding::error(Fault::DeviceName(why), request.span))?;
            if matching.is_empty() {
                let absent = absent(wanted, request, input.devices);
                if request.required {
                    return Err(absent);
                }
                warnings.push(absent);
            }
            for device in matching {
                if !device.is_auto_allowed() && !input.entitlements.allows_device(&device.name) {
                    let name = device.name.clone();
                    return Err(Finding::error(Fault::DeviceNotAllowed(name), request.span));
                }
                if !devices.names.contains(&device.name) {
                    devices.names.push(device.name.clone());
                    found.push(device);
                }
            }
            devices.edits = Edits::of(&found)
                .map_err(|unsupported| Finding::error(Fault::Device(unsupported), request.span))?;
        }
        if let (Some(first), [_, ..]) = (requests.first(), devices.edits.kept_modes.as_slice()) {
            let paths = devices.edits.kept_modes.clone();
            warnings.push(Finding::warning(Fault::KeptModes(paths), first.span));
        }
        Ok(devices)
    }
}

/// A device that is not here: an error if it is required, else a warning.
fn absent(wanted: &str, request: &Device, registry: &Registry) -> Finding {
    let absent = AbsentDevice {
        wanted: wanted.to_owned(),
        required: request.required,
        names: registry.names().map(str::to_owned).collect(),
        directories: registry.directories().to_vec(),
        unread: registry.faults().iter().map(ToString::to_string).collect(),
    };
    let fault = Fault::NoDevice(Box::new(absent));
    match request.required {
        true => Finding::error(fault, request.span),
        false => Finding::warning(fault, request.span),
    }
}
