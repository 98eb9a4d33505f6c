//! How the program is linked.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if c_library_unpacks() {
        // A static program relocates itself at each start. Packed, its 16,000 relocations are 4 KB in place of 380
        // (`ld(1)`, `-z pack-relative-relocs`).
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether the C library that is linked knows packed relocations (`DT_RELR`): glibc does since 2.36. An older one would be
/// linked without a word, and the program would crash at its start.
fn c_library_unpacks() -> bool {
    if std::env::var_os("TARGET") != std::env::var_os("HOST") {
        return false;
    }
    let Ok(told) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else {
        return false;
    };
    let told = String::from_utf8_lossy(&told.stdout);
    let version = told.trim().strip_prefix("glibc ").unwrap_or_default();
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(2), Some(36))
}
