//! The `security.capability` attribute (capabilities(7), "File capability extended attribute versioning").
//!
//! In a user namespace the kernel stores version 3, which names the host's id of the namespace's root. That must not
//! get into an image: there it is version 2, which means "root of wherever this runs".

const VERSION_MASK: u32 = 0xff00_0000;
const VERSION_2: u32 = 0x0200_0000;
const VERSION_3: u32 = 0x0300_0000;
const LEN_2: usize = 20;
const LEN_3: usize = 24;

/// The value as an image holds it: version 3 without its root id, everything else as it is.
pub(crate) fn portable(value: &[u8]) -> Vec<u8> {
    let Some((head, rest)) = value.split_first_chunk::<4>() else {
        return value.to_vec();
    };
    let magic = u32::from_le_bytes(*head);
    if magic & VERSION_MASK != VERSION_3 || value.len() != LEN_3 {
        return value.to_vec();
    }
    let mut out = (magic & !VERSION_MASK | VERSION_2).to_le_bytes().to_vec();
    out.extend_from_slice(&rest[..LEN_2 - 4]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_3_loses_its_root_id() {
        let v2 = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut v3 = v2.to_vec();
        v3[3] = 3;
        v3.extend_from_slice(&1001u32.to_le_bytes());
        assert_eq!(portable(&v3), v2);
        assert_eq!(portable(&v2), v2);
        assert_eq!(portable(&v3[..23]), &v3[..23]);
        assert_eq!(portable(b"x"), b"x");
    }
}
