//! The monitor: one small process of ours for each container that runs without us.
//!
//! It is this program, executed anew under another name in the user namespace of whoever starts the container, and the first
//! process of a pid namespace: when it ends, for whatever reason, the kernel ends the container. It has one thread and
//! listens to nothing but two fifos in the container's directory. What it has to know comes in one packet.
//!
//! ```text
//! who starts it                     monitor
//!   order, spec, change lock ─────▶ holds `alive`, takes over the leases, starts the command
//!   started, or why not ◀────────── state.json says running
//!   lets go of the change lock      writes the log, waits; changes state.json under the lock like anybody
//! ```

mod life;
mod order;
mod streams;

pub use order::{Failed, launch};

use life::Monitor;
use order::Order;
use rbuild_sandbox::{Channel, go_on_as_first_process};
use std::os::fd::OwnedFd;

/// The name by which a process knows that it is to be a monitor: the first of its arguments.
pub const NAME: &str = "rbuild-monitor";

/// Is the monitor that a packet on `socket` asks for. The code to end with. Call it while there is one thread.
#[must_use]
pub fn run(socket: OwnedFd) -> u8 {
    let channel = Channel::from(socket);
    let Ok(Some((order, descriptors))) = channel.receive() else {
        return 1;
    };
    // Whoever has started us waits for this process; the one that goes on is nobody's.
    if go_on_as_first_process().is_err() {
        return 1;
    }
    let _ = rustix::thread::set_name(c"rbuild-monitor");
    let Some(order) = Order::parse(&order, descriptors) else {
        return 1;
    };
    match Monitor::start(order) {
        Ok(monitor) => {
            // Gone or not: the container runs, and is in the list.
            let _ = channel.send(&order::started(), &[]);
            drop(channel);
            monitor.look_after();
            0
        }
        Err(error) => {
            let _ = channel.send(&order::failed(&error), &[]);
            1
        }
    }
}
