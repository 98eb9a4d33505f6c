//! A record as an `ActionResult` of the Remote Execution API, since servers may refuse anything else under `/ac/`: its
//! standard output is the record, its output files are the bytes that the record names, so that a server that looks
//! after those keeps them together.
//!
//! ```text
//! message ActionResult { repeated OutputFile output_files = 2; bytes stdout_raw = 5; }
//! message OutputFile { string path = 1; Digest digest = 2; }
//! message Digest { string hash = 1; int64 size_bytes = 2; }
//! ```

use super::record::Piece;

const BYTES: u64 = 2;
const OUTPUT_FILES: u64 = 2;
const STDOUT_RAW: u64 = 5;

pub(super) fn encode(record: &[u8], pieces: impl Iterator<Item = Piece>) -> Vec<u8> {
    let mut message = Vec::new();
    for piece in pieces {
        let hex = piece.digest.to_hex();
        let mut digest = Vec::new();
        put_bytes(1, hex.as_bytes(), &mut digest);
        put_number(2 << 3, &mut digest);
        put_number(piece.size, &mut digest);
        let mut file = Vec::new();
        put_bytes(1, hex.as_bytes(), &mut file);
        put_bytes(2, &digest, &mut file);
        put_bytes(OUTPUT_FILES, &file, &mut message);
    }
    put_bytes(STDOUT_RAW, record, &mut message);
    message
}

/// The record in a message; `None` when the bytes are none, or none with a record.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut record = None;
    while !bytes.is_empty() {
        let tag = take_number(&mut bytes)?;
        match tag & 7 {
            0 => {
                take_number(&mut bytes)?;
            }
            1 => {
                bytes = bytes.get(8..)?;
            }
            BYTES => {
                let len = usize::try_from(take_number(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(len)?;
                bytes = rest;
                if tag >> 3 == STDOUT_RAW {
                    record = Some(value.to_vec());
                }
            }
            5 => {
                bytes = bytes.get(4..)?;
            }
            _ => return None,
        }
    }
    record
}

fn put_bytes(field: u64, bytes: &[u8], out: &mut Vec<u8>) {
    put_number(field << 3 | BYTES, out);
    put_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_number(input: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = input.split_first()?;
        *input = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rbuild_oci::Digest;

    #[test]
    fn the_bytes_are_those_of_the_interface() {
        let digest = Digest::of(b"x");
        let piece = Piece { digest, size: 300 };
        let hex = digest.to_hex();
        // By hand, as the encoding of protocol buffers has it.
        let mut expected = vec![0x12];
        let digest_message = [&[0x0a, 64], hex.as_bytes(), &[0x10, 0xac, 0x02]].concat();
        let file = [
            &[0x0a, 64],
            hex.as_bytes(),
            &[0x12, digest_message.len() as u8],
            &digest_message,
        ]
        .concat();
        expected.extend([(file.len() as u8 & 0x7f) | 0x80, 1]);
        expected.extend(&file);
        expected.extend([0x2a, 2, b'{', b'}']);
        assert_eq!(encode(b"{}", std::iter::once(piece)), expected);
        assert_eq!(decode(&expected), Some(b"{}".to_vec()));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_not(bytes: Vec<u8>) {
            let _ = decode(&bytes);
            prop_assert_eq!(decode(&encode(&bytes, std::iter::empty())), Some(bytes));
        }
    }
}
