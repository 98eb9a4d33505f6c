//! Turns verdicts into a classic BPF program: a binary search over the system call number.
//!
//! Jumps only go forward, and every path ends in a return, so pieces of program can be put one behind the other.

use super::policy::{Architecture, Rule, Test, Verdict, ranges};

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const IF_ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

type Program = Vec<libc::sock_filter>;

/// The filter for processes of any of the architectures; others are killed.
pub(super) fn program(architectures: &[Architecture]) -> Program {
    let mut rest = vec![done(libc::SECCOMP_RET_KILL_PROCESS)];
    for architecture in architectures.iter().rev() {
        let mut body = vec![load(NUMBER)];
        body.extend(search(&ranges(*architecture)));
        rest = branch(IF_EQUAL, architecture.audit(), body, rest);
    }
    let mut program = vec![load(ARCHITECTURE)];
    program.extend(rest);
    program
}

/// Finds the last range that starts at or below the number in the accumulator.
fn search(ranges: &[(u32, Verdict)]) -> Program {
    let (below, above) = ranges.split_at(ranges.len() / 2);
    match (below, above) {
        ([], [(_, verdict), ..]) => answer(*verdict),
        ([], []) => vec![done(libc::SECCOMP_RET_KILL_PROCESS)],
        (below, above) => branch(IF_AT_LEAST, above[0].0, search(above), search(below)),
    }
}

fn answer(verdict: Verdict) -> Program {
    match verdict {
        Verdict::Allow => vec![done(libc::SECCOMP_RET_ALLOW)],
        Verdict::Errno(errno) => vec![refuse(errno)],
        Verdict::Argument(rule) => examine(rule),
    }
}

fn examine(Rule { index, test, errno }: Rule) -> Program {
    let (allow, refuse) = (vec![done(libc::SECCOMP_RET_ALLOW)], vec![refuse(errno)]);
    // Both architecture families are little-endian: the low half comes first.
    let mut program = vec![load(ARGUMENTS + 8 * index)];
    program.extend(match test {
        Test::NoneOf(bits) => branch(IF_ANY_BIT, bits, refuse, allow),
        Test::Not(values) => one_of(values, refuse, allow),
        Test::In(values) => one_of(values, allow, refuse),
    });
    program
}

fn one_of(values: &[u32], then: Program, otherwise: Program) -> Program {
    values.iter().rev().fold(otherwise, |otherwise, value| {
        branch(IF_EQUAL, *value, then.clone(), otherwise)
    })
}

/// `then` when the accumulator passes the test, `otherwise` when not.
fn branch(test: u16, operand: u32, then: Program, otherwise: Program) -> Program {
    // A conditional jump reaches 255 instructions, an unconditional one any number.
    let mut program = match u8::try_from(then.len()) {
        Ok(skipped) => vec![instruction(test, operand, 0, skipped)],
        Err(_) => vec![
            instruction(test, operand, 1, 0),
            instruction(JUMP, then.len() as u32, 0, 0),
        ],
    };
    program.extend(then);
    program.extend(otherwise);
    program
}

fn load(offset: u32) -> libc::sock_filter {
    instruction(LOAD, offset, 0, 0)
}

fn done(action: u32) -> libc::sock_filter {
    instruction(RETURN, action, 0, 0)
}

fn refuse(errno: u32) -> libc::sock_filter {
    done(libc::SECCOMP_RET_ERRNO | errno)
}

fn instruction(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::super::policy::{Call, Rule};
    use super::super::table::CALLS;
    use super::*;

    /// Executes a program as the kernel does.
    fn execute(program: &Program, architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(number.to_le_bytes());
        data.extend(architecture.to_le_bytes());
        data.extend(0u64.to_le_bytes());
        arguments
            .iter()
            .for_each(|argument| data.extend(argument.to_le_bytes()));
        let (mut accumulator, mut at) = (0u32, 0usize);
        loop {
            let libc::sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            let test = match code {
                LOAD => {
                    let start = k as usize;
                    accumulator = u32::from_le_bytes(data[start..start + 4].try_into().unwrap());
                    continue;
                }
                RETURN => return k,
                JUMP => {
                    at += k as usize;
                    continue;
                }
                IF_EQUAL => accumulator == k,
                IF_AT_LEAST => accumulator >= k,
                IF_ANY_BIT => accumulator & k != 0,
                other => panic!("instruction {other:#x}"),
            };
            at += usize::from(if test { jt } else { jf });
        }
    }

    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

    fn number(name: &str, architecture: Architecture) -> u32 {
        let call: &Call = CALLS.iter().find(|call| call.name == name).unwrap();
        call.number(architecture as usize).unwrap()
    }

    #[test]
    fn the_program_agrees_with_the_policy_on_every_number() {
        let pairs = [
            [Architecture::X86_64, Architecture::I386],
            [Architecture::Aarch64, Architecture::Arm],
        ];
        for pair in pairs {
            let program = program(&pair);
            assert!(program.len() < 4096, "{} instructions", program.len());
            for architecture in pair {
                let ranges = ranges(architecture);
                for number in (0..600).chain([0xf0000, 0xf0002, 0x4000_0000, 0x4000_0001, u32::MAX]) {
                    let verdict = ranges.iter().rev().find(|(first, _)| *first <= number).unwrap().1;
                    let got = execute(&program, architecture.audit(), number, [0; 6]);
                    match verdict {
                        Verdict::Allow => assert_eq!(got, ALLOW, "{number}"),
                        Verdict::Errno(errno) => assert_eq!(got, libc::SECCOMP_RET_ERRNO | errno, "{number}"),
                        Verdict::Argument(Rule { .. }) => assert_eq!(got, ALLOW, "{number} with zeros"),
                    }
                }
            }
        }
    }

    #[test]
    fn arguments_are_judged_by_their_low_half() {
        use Architecture::{I386, X86_64};
        let program = program(&[X86_64, I386]);
        let run = |architecture: Architecture, name, arguments| {
            execute(
                &program,
                architecture.audit(),
                number(name, architecture),
                arguments,
            )
        };
        for architecture in [X86_64, I386] {
            let high = 1u64 << 40;
            for bad in [0x5412, 0x541c, 0x5412 | high] {
                assert_eq!(run(architecture, "ioctl", [0, bad, 0, 0, 0, 0]), EPERM);
            }
            assert_eq!(run(architecture, "ioctl", [0x5412, 0x5413, 0, 0, 0, 0]), ALLOW);
            assert_eq!(run(architecture, "clone", [0x1200011, 0, 0, 0, 0, 0]), ALLOW);
            assert_eq!(run(architecture, "clone", [0x1000_0011, 0, 0, 0, 0, 0]), EPERM);
            assert_eq!(run(architecture, "unshare", [0x400, 0, 0, 0, 0, 0]), ALLOW);
            assert_eq!(run(architecture, "unshare", [0x80, 0, 0, 0, 0, 0]), EPERM);
            assert_eq!(run(architecture, "personality", [0x8, 0, 0, 0, 0, 0]), ALLOW);
            assert_eq!(
                run(architecture, "personality", [0x40_0000, 0, 0, 0, 0, 0]),
                EPERM
            );
            assert_ne!(run(architecture, "socket", [40, 0, 0, 0, 0, 0]), ALLOW);
            assert_ne!(run(architecture, "socket", [38, 0, 0, 0, 0, 0]), ALLOW);
            assert_eq!(run(architecture, "socket", [2, 0, 0, 0, 0, 0]), ALLOW);
        }
    }

    #[test]
    fn other_architectures_are_killed() {
        let program = program(&[Architecture::X86_64, Architecture::I386]);
        let killed = libc::SECCOMP_RET_KILL_PROCESS;
        assert_eq!(
            execute(&program, Architecture::Aarch64.audit(), 0, [0; 6]),
            killed
        );
    }
}
