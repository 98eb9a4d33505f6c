//! `0755`, `u=rwX,go=rX`: modes of `--chmod` after expansion.

/// A change of a file's mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chmod {
    /// The mode itself, 0 to 07777.
    Octal(u32),
    /// Clauses, applied in order.
    Symbolic(Vec<Clause>),
}

/// One `who op permissions` of a symbolic mode; `u+x-w` is two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// `u`, `g`, `o` as bits 4, 2, 1.
    who: u32,
    op: Op,
    permissions: Permissions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Add,
    Remove,
    Set,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permissions {
    /// `u`, `g` or `o` as the shift of their bits: copied from there.
    Copy(u32),
    /// `rwx` as bits, and `X`, `s`, `t`.
    Bits {
        rwx: u32,
        conditional_execute: bool,
        set_id: bool,
        sticky: bool,
    },
}

impl Chmod {
    /// Parses octal or symbolic text. Without `u`, `g`, `o` a clause is for all; no umask is involved.
    ///
    /// Returns `None` when it is neither.
    pub fn parse(text: &str) -> Option<Chmod> {
        if text.starts_with(|ch: char| ch.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).ok()?;
            return (mode <= 0o7777 && text.len() <= 6).then_some(Chmod::Octal(mode));
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            let who_length = part.find(|ch| !"ugoa".contains(ch))?;
            let (who_text, mut rest) = part.split_at(who_length);
            let mut who = 0;
            for ch in who_text.chars() {
                who |= match ch {
                    'u' => 4,
                    'g' => 2,
                    'o' => 1,
                    _ => 7,
                };
            }
            let who = if who == 0 { 7 } else { who };
            while let Some(ch) = rest.chars().next() {
                let op = match ch {
                    '+' => Op::Add,
                    '-' => Op::Remove,
                    '=' => Op::Set,
                    _ => return None,
                };
                rest = rest.get(1..)?;
                let length = rest.find(['+', '-', '=']).unwrap_or(rest.len());
                let (permissions, after) = rest.split_at(length);
                clauses.push(Clause {
                    who,
                    op,
                    permissions: Permissions::parse(permissions)?,
                });
                rest = after;
            }
        }
        Some(Chmod::Symbolic(clauses))
    }

    /// The mode that `mode` (07777) becomes.
    pub fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        match self {
            Chmod::Octal(mode) => *mode,
            Chmod::Symbolic(clauses) => clauses
                .iter()
                .fold(mode & 0o7777, |mode, clause| clause.apply(mode, is_dir)),
        }
    }
}

impl Permissions {
    fn parse(text: &str) -> Option<Permissions> {
        match text {
            "u" => return Some(Permissions::Copy(6)),
            "g" => return Some(Permissions::Copy(3)),
            "o" => return Some(Permissions::Copy(0)),
            _ => {}
        }
        let (mut rwx, mut conditional_execute, mut set_id, mut sticky) = (0, false, false, false);
        for ch in text.chars() {
            match ch {
                'r' => rwx |= 4,
                'w' => rwx |= 2,
                'x' => rwx |= 1,
                'X' => conditional_execute = true,
                's' => set_id = true,
                't' => sticky = true,
                _ => return None,
            }
        }
        Some(Permissions::Bits {
            rwx,
            conditional_execute,
            set_id,
            sticky,
        })
    }
}

impl Clause {
    fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        let (rwx, special) = match self.permissions {
            Permissions::Copy(shift) => ((mode >> shift) & 7, 0),
            Permissions::Bits {
                rwx,
                conditional_execute,
                set_id,
                sticky,
            } => {
                // `X` is `x` for directories and for what someone may execute already.
                let execute = conditional_execute && (is_dir || mode & 0o111 != 0);
                let mut special = 0;
                if set_id {
                    special |= (self.who & 4) << 9 | (self.who & 2) << 9;
                }
                if sticky {
                    special |= 0o1000;
                }
                (rwx | u32::from(execute), special)
            }
        };
        let mut bits = special;
        let mut mask = 0;
        for (who, shift, set_id) in [(4, 6, 0o4000), (2, 3, 0o2000), (1, 0, 0o1000)] {
            if self.who & who != 0 {
                bits |= rwx << shift;
                // A directory keeps its set-id bits when permissions are set, as in GNU chmod.
                mask |= 7 << shift | if is_dir { 0 } else { set_id };
            }
        }
        match self.op {
            Op::Add => mode | bits,
            Op::Remove => mode & !bits,
            Op::Set => mode & !mask | bits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(text: &str, mode: u32, is_dir: bool) -> Option<u32> {
        Some(Chmod::parse(text)?.apply(mode, is_dir))
    }

    #[test]
    fn octal_and_symbolic() {
        for (text, mode, is_dir, expected) in [
            ("755", 0o600, false, 0o755),
            ("0644", 0o777, true, 0o644),
            ("4755", 0, false, 0o4755),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("+x", 0o644, false, 0o755),
            ("a-w", 0o666, false, 0o444),
            ("u+x-w", 0o644, false, 0o544),
            ("g=u", 0o750, false, 0o770),
            ("go=", 0o777, false, 0o700),
            ("u+s", 0o755, false, 0o4755),
            ("g+s", 0o755, false, 0o2755),
            ("o+s", 0o755, false, 0o755),
            ("+t", 0o755, true, 0o1755),
            ("u=rx", 0o4755, false, 0o555),
            ("u=rx", 0o4755, true, 0o4555),
        ] {
            assert_eq!(apply(text, mode, is_dir), Some(expected), "{text} of {mode:o}");
        }
        for bad in [
            "", "8", "99999", "rwx", "u", "u=z", "z=r", "u=r,", "77777", "0x1", "u=rw g=r",
        ] {
            assert_eq!(apply(bad, 0, false), None, "{bad}");
        }
    }
}
