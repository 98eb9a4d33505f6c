//! Mutations from a seed: the same inputs in every run.

/// Makes inputs out of samples.
pub(crate) struct Mutator {
    state: u64,
}

const BLOCK: usize = 512;
/// Numbers that programs stumble over.
const NUMBERS: [&[u8]; 8] = [
    b"0",
    b"-1",
    b"1",
    b"4294967295",
    b"4294967296",
    b"9223372036854775807",
    b"18446744073709551615",
    b"99999999999999999999999",
];
const BYTES: [u8; 8] = [0, 0xff, 0x7f, 0x80, b'\n', b'"', b'/', b'.'];

impl Mutator {
    pub(crate) fn new(seed: u64) -> Mutator {
        Mutator {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    /// xorshift64*: nothing but repeatable.
    fn below(&mut self, end: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let mixed = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(mixed).unwrap() % end.max(1)
    }

    /// One sample, changed in one to eight places. The checksums of tar headers are right again in most.
    pub(crate) fn mutate(&mut self, samples: &[Vec<u8>]) -> Vec<u8> {
        let mut input = samples[self.below(samples.len())].clone();
        for _ in 0..=self.below(8) {
            self.change(&mut input, samples);
        }
        if self.below(4) != 0 {
            mend_checksums(&mut input);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, samples: &[Vec<u8>]) {
        if input.is_empty() {
            return input.push(BYTES[self.below(BYTES.len())]);
        }
        let (at, length) = (self.place(input), 1 + self.below(64));
        let end = (at + length).min(input.len());
        match self.below(9) {
            0 => input[at] ^= 1 << self.below(8),
            1 => input[at] = BYTES[self.below(BYTES.len())],
            2 => drop(input.drain(at..end)),
            3 => {
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            4 => input.truncate(at),
            5 => {
                let other = &samples[self.below(samples.len())];
                let from = self.below(other.len());
                let piece = &other[from..(from + 8 * length).min(other.len())];
                input.splice(at..end, piece.iter().copied());
            }
            6 => self.number(input, at),
            7 => {
                let to = self.below(input.len());
                let piece = input[at..end].to_vec();
                let to_end = (to + piece.len()).min(input.len());
                input[to..to_end].copy_from_slice(&piece[..to_end - to]);
            }
            _ => self.lines(input),
        }
    }

    /// A place in the input; zeros, of which archives are full, are looked at less often.
    fn place(&mut self, input: &[u8]) -> usize {
        let mut at = self.below(input.len());
        for _ in 0..16 {
            if input[at] != 0 {
                break;
            }
            at = self.below(input.len());
        }
        at
    }

    /// Puts another number where the next one is.
    fn number(&mut self, input: &mut Vec<u8>, at: usize) {
        let Some(from) = (at..input.len()).find(|at| input[*at].is_ascii_digit()) else {
            return;
        };
        let end = (from..input.len()).find(|at| !input[*at].is_ascii_digit());
        let number = NUMBERS[self.below(NUMBERS.len())];
        input.splice(from..end.unwrap_or(input.len()), number.iter().copied());
    }

    /// Changes the order of two lines, or leaves one out.
    fn lines(&mut self, input: &mut Vec<u8>) {
        let mut lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
        let (one, other) = (self.below(lines.len()), self.below(lines.len()));
        if one == other {
            lines.remove(one);
        } else {
            lines.swap(one, other);
        }
        *input = lines.concat();
    }
}

/// Writes the right checksum into what looks like a header of a tar, so that what is behind it is looked at.
fn mend_checksums(input: &mut [u8]) {
    for block in input
        .chunks_exact_mut(BLOCK)
        .filter(|block| &block[257..262] == b"ustar")
    {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
