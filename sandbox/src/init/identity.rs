//! Who the command is: capabilities, ids, privileges.

use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::{Init, Outcome};
use crate::confinement::Confinement;
use crate::spawn_error::{Phase, SpawnError};
use crate::spec::{Capability, Credentials};

fn set(capabilities: &[Capability]) -> CapabilitySet {
    capabilities
        .iter()
        .fold(CapabilitySet::empty(), |set, capability| {
            set | CapabilitySet::from_bits_retain(1 << *capability as u8)
        })
}

/// What was asked for, without what opens a way out of a root that is nothing but a directory: another chroot(2), or the
/// device of a disk.
fn may_hold(init: &Init) -> CapabilitySet {
    let ways_out = match init.host.confinement {
        Confinement::Chroot => CapabilitySet::SYS_CHROOT | CapabilitySet::MKNOD,
        Confinement::Namespaces | Confinement::SharedProcesses => CapabilitySet::empty(),
    };
    set(&init.spec.capabilities).difference(ways_out)
}

/// Takes every capability that was not asked for away from this process and all that it will start.
pub(super) fn bounding_set(init: &mut Init) -> Outcome {
    let kept = may_hold(init);
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(capability) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The kernel's last capability is behind us.
            Err(Errno::INVAL) => break,
            // A container without `CAP_SETPCAP`. No program gives back what the command's own sets do not have: without
            // namespaces it never gets new privileges.
            Err(Errno::PERM) if init.host.confinement == Confinement::Chroot => break,
            Err(errno) => return Err(SpawnError::new(Phase::Capabilities, errno)),
        }
    }
    Ok(())
}

/// Forbids set-user-ID programs and file capabilities, if asked.
pub(super) fn no_new_privileges(init: &mut Init) -> Outcome {
    if !init.spec.no_new_privs && init.host.confinement != Confinement::Chroot {
        return Ok(());
    }
    rustix::thread::set_no_new_privs(true).map_err(|errno| SpawnError::new(Phase::NoNewPrivileges, errno))
}

/// The primary group, then the others. Without it there, a set-group-ID program or newgrp(1) would take the process out
/// of its own group, and files that are closed to that group would open (CVE-2022-36109).
fn supplementary(user: &Credentials) -> Vec<u32> {
    let others = user.groups.iter().copied().filter(|gid| *gid != user.gid);
    std::iter::once(user.gid).chain(others).collect()
}

/// Takes on the user's ids and leaves exactly the capabilities that belong to them; the inheritable and ambient sets
/// are empty for everybody (CVE-2022-27651).
pub(super) fn identity(init: &mut Init) -> Outcome {
    let user = &init.spec.user;
    let fail = |what: &str, id: u32| {
        let place = format!("{what} {id}");
        move |errno| {
            let error = SpawnError::new(Phase::Identity, errno).at(place.clone());
            if errno == Errno::INVAL {
                error.because("this id is outside the range that the user namespace maps")
            } else {
                error
            }
        }
    };
    let groups = supplementary(user);
    let highest = groups.iter().copied().max().unwrap_or(user.gid);
    let groups: Vec<Gid> = groups.into_iter().map(Gid::from_raw).collect();
    rustix::thread::set_thread_groups(&groups).map_err(fail("group", highest))?;
    let gid = Gid::from_raw(user.gid);
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(fail("group", user.gid))?;
    let uid = Uid::from_raw(user.uid);
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(fail("user", user.uid))?;

    let fail = |errno| SpawnError::new(Phase::Capabilities, errno);
    let held = if user.uid == 0 {
        may_hold(init)
    } else {
        CapabilitySet::empty()
    };
    // A capability that this kernel does not know cannot be held.
    let held = held & rustix::thread::capabilities(None).map_err(fail)?.permitted;
    let sets = CapabilitySets {
        effective: held,
        permitted: held,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).map_err(fail)?;
    rustix::thread::clear_ambient_capability_set().map_err(fail)
}
