//! Telling a tar by its first block.

/// Whether `start`, at least the first 512 bytes of a file, begins a tar: its checksum is right (POSIX ustar, and the
/// older forms without magic), or it is the empty tar of two zero blocks.
pub fn is_tar(start: &[u8]) -> bool {
    const BLOCK: usize = 512;
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let Some(block) = start.get(..BLOCK) else {
        return false;
    };
    if block.iter().all(|&byte| byte == 0) {
        return start.len() >= 2 * BLOCK && start[..2 * BLOCK].iter().all(|&byte| byte == 0);
    }
    let text: Vec<u8> = block[CHECKSUM]
        .iter()
        .copied()
        .skip_while(|b| *b == b' ')
        .take_while(|b| (b'0'..=b'7').contains(b))
        .collect();
    let Some(said) = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| u32::from_str_radix(text, 8).ok())
    else {
        return false;
    };
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, &byte)| u32::from(if CHECKSUM.contains(&at) { b' ' } else { byte }))
        .sum();
    said == sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tar_is_told_by_its_checksum() {
        let mut header = tar::Header::new_ustar();
        header.set_path("a").unwrap();
        header.set_size(0);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        assert!(is_tar(&bytes));
        bytes[0] = b'b';
        assert!(!is_tar(&bytes), "the checksum is wrong now");
        assert!(is_tar(&[0; 1024]));
        assert!(!is_tar(&[0; 512]));
        assert!(!is_tar(b"FROM scratch\n"));
        assert!(!is_tar(&[b' '; 1024]));
    }
}
